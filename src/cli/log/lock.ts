import { randomUUID } from "node:crypto";
import { readFileSync, realpathSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { platform, timestamp } from "../../bulk/internal.js";
import { fileProblem, UsageError } from "../io.js";
import { quoted } from "../terminal.js";

/** The process that holds a lock. */
interface Owner {
  /** Unique to each lock. */
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly at: string;
  /** When the process started, in the system's terms: a later process with the same number differs. */
  readonly startedAt: string | null;
}

/**
 * The right to write a log: a file beside it that names the process which holds it. The lock of a process
 * that has exited is replaced. Should two processes replace it at the same time, the one that comes second
 * holds it: `held` is checked before anything is sent.
 */
export class LogLock {
  readonly #path: string;
  readonly #owner: Owner;
  /** Runs on every exit of the process except a kill. */
  readonly #onExit = () => this.release();

  private constructor(path: string, owner: Owner) {
    this.#path = path;
    this.#owner = owner;
    process.on("exit", this.#onExit);
  }

  /** @throws UsageError when another process holds the lock or may hold it, and when it cannot be made. */
  static take(logPath: string): LogLock {
    const path = lockPath(logPath);
    const id = randomUUID();
    const { pid } = process;
    const owner = {
      ...{ id, pid, host: hostname() },
      ...{ at: timestamp(platform), startedAt: startOf(pid) },
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        writeFileSync(path, `${JSON.stringify(owner)}\n`, { flag: "wx", mode: 0o600 });
        return new LogLock(path, owner);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== "EEXIST") {
          // A full disk leaves an empty file.
          discard(path);
          throw new UsageError(`The log cannot be locked with ${path}: ${fileProblem(error)}.`);
        }
      }
      const holder = readOwner(path);
      const problem = holder === undefined ? undefined : heldMessage(logPath, path, holder);
      if (problem !== undefined || attempt > 3) {
        throw new UsageError(problem ?? `The log cannot be locked with ${path}.`);
      }
      if (holder !== undefined && sameLock(readOwner(path), holder)) {
        discard(path);
      }
    }
  }

  /** Whether this process still holds the lock: a user may have deleted it, and started another run. */
  get held(): boolean {
    return sameLock(readOwner(this.#path), this.#owner);
  }

  release(): void {
    process.off("exit", this.#onExit);
    if (this.held) {
      discard(this.#path);
    }
  }
}

function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // There is none, or another process has just replaced it.
  }
}

/** A log that is named by a symbolic link is locked at its target, since other runs may use another name. */
function lockPath(path: string): string {
  try {
    return `${realpathSync(path)}.lock`;
  } catch {
    // It does not exist yet.
    return `${path}.lock`;
  }
}

/** Of a lock that cannot be read, nothing is known. */
type Holder = Partial<Owner>;

function sameLock(a: Holder | undefined, b: Holder): boolean {
  return a?.id !== undefined && a.id === b.id;
}

/** Undefined if there is no lock. */
function readOwner(path: string): Holder | undefined {
  try {
    const value = JSON.parse(readFileSync(path, "utf8"));
    return typeof value?.id === "string" && Number.isSafeInteger(value.pid) ? value : {};
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : {};
  }
}

/** Why a lock cannot be taken; undefined if its holder has ended. */
function heldMessage(logPath: string, path: string, holder: Holder): string | undefined {
  const { pid, host, at, startedAt } = holder;
  const who =
    pid === undefined ? "a process that is not known" : `process ${pid} on ${host}, since ${at}`;
  const now = pid === undefined || host !== hostname() ? null : startOf(pid);
  if (now === "ended" || (now !== null && startedAt !== null && now !== startedAt)) {
    return undefined;
  }
  // A process of another machine or container, or without a start time to compare, cannot be seen.
  return now !== null && now === startedAt
    ? `Another run is writing ${logPath} (${who}). Wait until it has ended.`
    : `Another run may be writing ${logPath}: ${path} names ${who}, which cannot be seen from here. If no run writes the log, delete ${quoted(path)}.`;
}

/**
 * When a process of this machine started, or that it has ended, as one that waits to be reaped; null where there
 * is no /proc.
 */
function startOf(pid: number): string | null {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") {
      return "ended";
    }
    // EPERM: it runs, as another user.
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before the last parenthesis may contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return fields[0] === "Z" ? "ended" : `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
}
