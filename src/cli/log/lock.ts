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
  readonly #text: string;
  /** Runs on every exit of the process except a kill. */
  readonly #onExit = () => this.release();

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
    process.on("exit", this.#onExit);
  }

  /** @throws UsageError when another process holds the lock or may hold it, and when it cannot be made. */
  static take(logPath: string): LogLock {
    const path = lockPath(logPath);
    const [id, pid] = [randomUUID(), process.pid];
    const owner = { id, pid, host: hostname(), at: timestamp(platform), startedAt: startOf(pid) };
    const text = `${JSON.stringify(owner)}\n`;
    for (let attempt = 1; ; attempt += 1) {
      try {
        writeFileSync(path, text, { flag: "wx", mode: 0o600 });
        return new LogLock(path, text);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== "EEXIST") {
          // A full disk leaves an empty file.
          discard(path);
          throw new UsageError(`The log cannot be locked with ${path}: ${fileProblem(error)}.`);
        }
      }
      const other = textOf(path);
      const problem = other === undefined ? undefined : heldMessage(logPath, path, other);
      if (problem !== undefined || attempt > 3) {
        throw new UsageError(problem ?? `The log cannot be locked with ${path}.`);
      }
      if (textOf(path) === other) {
        discard(path);
      }
    }
  }

  /** Whether this process still holds the lock: a user may have deleted it, and started another run. */
  get held(): boolean {
    return textOf(this.#path) === this.#text;
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

/** Undefined if there is no lock; "" for one that cannot be read. */
function textOf(path: string, tries = 50): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    if (text !== "" || tries === 0) {
      return text;
    }
    // Its process is about to write it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    return textOf(path, tries - 1);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : "";
  }
}

/** Why a lock cannot be taken; undefined if its holder has ended. */
function heldMessage(logPath: string, path: string, text: string): string | undefined {
  let owner: Partial<Owner> | null = null;
  try {
    owner = JSON.parse(text);
  } catch {
    // Its process was killed before it was written.
  }
  const { pid, host, at, startedAt } = owner ?? {};
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
