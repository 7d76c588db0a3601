import { randomBytes } from "node:crypto";
import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { fileProblem, UsageError } from "../io.js";
import type { Entry } from "./entry.js";
import type { LogLock } from "./lock.js";

/** A log that can no longer be written; a run must not send what it could not log. */
export class LogFailure extends UsageError {
  override readonly name: string = "LogFailure";
}

/** A file of entries, one a line, appended to under its lock. */
export class LogFile {
  readonly path: string;
  /** Unique to each writing process: numbers of requests begin with it. */
  readonly session = randomBytes(4).toString("hex");
  readonly #lock: LogLock;
  readonly #file: number;
  #failure: LogFailure | undefined;
  #syncing: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #closed = false;

  /**
   * @param opened is the file to write: the path itself, or a draft of it.
   * @param flag names the option in messages.
   * @throws UsageError when it cannot be opened.
   */
  constructor(path: string, lock: LogLock, opened: string, mode: "wx" | "a", flag: string) {
    this.path = path;
    this.#lock = lock;
    try {
      // Readable only by its owner: it shows who lost which access.
      this.#file = openSync(opened, mode, 0o600);
    } catch (error) {
      throw new UsageError(`${flag}: ${path} cannot be written: ${fileProblem(error)}.`);
    }
  }

  get failure(): LogFailure | undefined {
    return this.#failure;
  }

  /** Cuts off text after the complete lines. */
  truncate(wholeBytes: number): void {
    ftruncateSync(this.#file, wholeBytes);
  }

  /** @throws LogFailure */
  append(entry: Entry): void {
    if (this.#failure !== undefined) {
      // After a truncated line, another one would make the log unreadable.
      throw this.#failure;
    }
    const bytes = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      // On a full disk the first write may be short, and the next one reports why.
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#file, bytes, written);
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Records what has happened. The response to a request that was given up may come after the end. */
  note(entry: Entry): void {
    if (this.#closed) {
      return;
    }
    try {
      this.append(entry);
      // Not awaited: if the write is lost, the response to its request is taken for lost.
      this.sync().catch(() => undefined);
    } catch {
      // Kept in `failure`.
    }
  }

  /** Durably records what is about to be sent. @throws LogFailure, also without the lock. */
  async announce(entry: Entry): Promise<void> {
    if (this.#closed) {
      throw new LogFailure(`${this.path} is closed`);
    }
    if (!this.#lock.held) {
      throw this.#fail(new Error("its lock was deleted or taken by another run"));
    }
    this.append(entry);
    await this.sync();
  }

  syncNow(): void {
    fsyncSync(this.#file);
  }

  /** Resolves when everything written so far is on the disk. Concurrent callers share one flush. */
  sync(): Promise<void> {
    if (this.#syncing === undefined) {
      this.#syncing = flush(this.#file)
        .catch((error) => {
          throw this.#fail(error);
        })
        .finally(() => {
          this.#syncing = undefined;
        });
      return this.#syncing;
    }
    // The flush in progress may have begun before the last lines were written.
    this.#again ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#again = undefined;
        return this.sync();
      });
    return this.#again;
  }

  /** Writes a last entry, if given, and releases file and lock. @throws LogFailure after that */
  async close(last?: Entry): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    try {
      if (last !== undefined) {
        this.append(last);
        await this.sync();
      }
    } finally {
      closeSync(this.#file);
      this.#lock.release();
    }
  }

  #fail(error: unknown): LogFailure {
    this.#failure ??= new LogFailure(`${this.path} cannot be written: ${fileProblem(error)}`, {
      cause: error,
    });
    return this.#failure;
  }
}

function flush(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
  });
}
