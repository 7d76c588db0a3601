import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  linkSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { platform, timestamp } from "../../common/environment.js";
import { fileProblem, UsageError } from "../io.js";

/**
 * The right to write a log: a file beside it that names the process which holds it.
 *
 * The lock of a process that has exited is replaced. Two processes that try this at the same time cannot both
 * succeed: to replace the lock with id X, a process must first hold the lock `<path>.X`, and check again that
 * X is still the lock to be replaced.
 */
export class LogLock {
  readonly #path: string;
  readonly #owner: LockOwner;
  /** Runs on every exit of the process except a kill. */
  readonly #onExit = () => this.release();

  private constructor(path: string, owner: LockOwner) {
    this.#path = path;
    this.#owner = owner;
    process.on("exit", this.#onExit);
  }

  /**
   * @param flag names the option in messages.
   * @throws UsageError when another process holds the lock, when it cannot be made, or when the log has
   * several names that are not symbolic links: each of them would have a lock of its own.
   */
  static take(logPath: string, flag: string): LogLock {
    const path = lockPath(logPath);
    const names = namesOf(logPath);
    if (names > 1) {
      throw new UsageError(
        `${flag}: ${logPath} has ${names} names (hard links): another run could write it under another name. Delete the other names, or use a copy.`,
      );
    }
    const owner = thisOwner();
    let holder: LockOwner | "unreadable" | undefined;
    try {
      holder = tryToTake(path, owner);
    } catch (error) {
      throw new UsageError(
        `${flag}: the log cannot be locked with ${path}: ${fileProblem(error, "write")}.`,
      );
    }
    if (holder !== undefined) {
      throw new UsageError(`${flag}: ${heldMessage(logPath, path, holder)}`);
    }
    return new LogLock(path, owner);
  }

  /** The process that is, or may be, writing a log; undefined if there is none. */
  static holderOf(logPath: string): string | undefined {
    const holder = readOwner(lockPath(logPath));
    return holder === undefined || ownerState(holder) === "ended" ? undefined : named(holder);
  }

  /** Whether this process still holds the lock: a user may have deleted it, and started another run. */
  get held(): boolean {
    return readOwner(this.#path)?.id === this.#owner.id;
  }

  release(): void {
    process.off("exit", this.#onExit);
    if (this.held) {
      unlinkSync(this.#path);
    }
  }
}

/** A log that is named by a symbolic link is locked at its target, since other runs may use another name. */
function lockPath(path: string): string {
  try {
    const real = realpathSync(path);
    return `${real === resolve(path) ? path : real}.lock`;
  } catch {
    // It does not exist yet.
    return `${path}.lock`;
  }
}

/** How many hard links a file has. One that cannot be looked at is reported when it is opened. */
function namesOf(path: string): number {
  try {
    const found = statSync(path);
    return found.isFile() ? found.nlink : 1;
  } catch {
    return 1;
  }
}

/** Returns the owner of the lock; undefined if this process holds it now. */
function tryToTake(path: string, owner: LockOwner): LockOwner | "unreadable" | undefined {
  for (;;) {
    if (create(path, owner)) {
      return undefined;
    }
    const text = readIfThere(path);
    if (text === undefined) {
      continue;
    }
    const holder = parseOwner(text);
    if (holder === undefined) {
      return "unreadable";
    }
    if (ownerState(holder) !== "ended") {
      return holder;
    }
    const successor = `${path}.${holder.id}`;
    const other = tryToTake(successor, owner);
    if (other !== undefined) {
      return other;
    }
    if (readOwner(path)?.id === holder.id) {
      renameSync(successor, path);
      return undefined;
    }
    unlinkSync(successor);
  }
}

/** Creates the file with all of its content at once. Returns whether it did not exist before. */
function create(path: string, owner: LockOwner): boolean {
  const content = `${JSON.stringify(owner)}\n`;
  const draft = `${path}.${owner.id}.draft`;
  try {
    writeFileSync(draft, content, { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case "EEXIST":
        return false;
      case "EPERM":
      case "ENOSYS":
      case "ENOTSUP":
      case "EOPNOTSUPP":
        return createExclusively(path, content);
      default:
        throw error;
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** For file systems without links. A lock without content is treated as held. */
function createExclusively(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    rmSync(path, { force: true });
    throw error;
  }
}

function readOwner(path: string): LockOwner | undefined {
  return parseOwner(readIfThere(path) ?? "");
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "id" in value && "pid" in value
      ? (value as LockOwner)
      : undefined;
  } catch {
    return undefined;
  }
}

function named({ pid, host, at }: LockOwner): string {
  return `process ${pid} on ${host}, since ${at}`;
}

function heldMessage(logPath: string, path: string, holder: LockOwner | "unreadable"): string {
  if (holder === "unreadable") {
    return `${path} is not a lock that this version can read. If no run writes ${logPath}, delete that file.`;
  }
  const who = named(holder);
  return ownerState(holder) === "running"
    ? `another run is writing ${logPath} (${who}). Wait until it has ended.`
    : `another run may be writing ${logPath} (${who}); that process cannot be seen from here. If it has ended, delete ${path}.`;
}

/** The process that holds a lock, with enough detail to determine whether it is still running. */
export interface LockOwner {
  /** Unique to each lock. */
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly at: string;
  /** When the process started, in the system's units; a later process with the same number differs. */
  readonly startedAt: string | null;
  /** The boot id of the machine, and the namespace of the process number; null if unknown. */
  readonly boot: string | null;
  readonly machine: string | null;
  readonly pidNamespace: string | null;
}

let ourProcess: Omit<LockOwner, "id" | "at"> | undefined;

/** This process, as the owner of a new lock. */
export function thisOwner(): LockOwner {
  ourProcess ??= {
    pid: process.pid,
    host: hostname(),
    startedAt: startOf(process.pid),
    ...whereProcessesRun(),
  };
  return { id: randomUUID(), at: timestamp(platform), ...ourProcess };
}

/**
 * `ended`: the process has certainly exited. `running`: it has the number and the start time of the owner.
 * `unknown`: it belongs to another machine or container, and is not visible from here.
 */
export function ownerState(owner: LockOwner): "running" | "ended" | "unknown" {
  const here = whereProcessesRun();
  if (owner.host !== hostname() || owner.machine !== here.machine) {
    return "unknown";
  }
  if (owner.boot !== here.boot) {
    // Without a machine id, two machines with the same name cannot be distinguished.
    return here.machine === null ? "unknown" : "ended";
  }
  if (owner.pidNamespace !== here.pidNamespace) {
    return "unknown";
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") {
      return "ended";
    }
    // EPERM: it runs, as another user.
  }
  const startedAt = startOf(owner.pid);
  return startedAt !== null && owner.startedAt !== null && startedAt !== owner.startedAt
    ? "ended"
    : "running";
}

function whereProcessesRun() {
  return {
    boot: readText("/proc/sys/kernel/random/boot_id"),
    machine: readText("/etc/machine-id"),
    pidNamespace: orNull(() => readlinkSync("/proc/self/ns/pid")),
  };
}

/** Null if the system does not report it; "ended" for a process that has exited and was not reaped yet. */
function startOf(pid: number): string | null {
  switch (process.platform) {
    case "linux": {
      const stat = readText(`/proc/${pid}/stat`);
      // The name before the last parenthesis may contain spaces.
      const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
      return fields[0] === "Z" || fields[0] === "X" ? "ended" : (fields[19] ?? null);
    }
    case "darwin":
      return orNull(() =>
        execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim(),
      );
    default:
      return null;
  }
}

function readText(path: string): string | null {
  return orNull(() => readFileSync(path, "utf8").trim());
}

function orNull(read: () => string): string | null {
  try {
    return read() || null;
  } catch {
    return null;
  }
}
