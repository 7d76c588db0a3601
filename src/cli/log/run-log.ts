import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../io.js";
import {
  type Entry,
  type LoggedGrant,
  type LoggedOutcome,
  type LogHead,
  logFormat,
} from "./entry.js";
import { LogLock } from "./lock.js";

const grantsInLine = 200;

/** A log that cannot be written any more; the run must not send what it could not log. */
export class LogFailure extends UsageError {
  override readonly name: string = "LogFailure";
}

/**
 * The log of a run: JSON Lines, appended to. Whatever happens to the process or the machine, the ids of
 * each request are on the disk before it is sent.
 */
export class RunLog {
  readonly path: string;
  readonly #lock: LogLock;
  readonly #file: number;
  readonly #draft: string | undefined;
  /** Makes request numbers unique in the whole log, whoever wrote the other ones. */
  readonly #session = randomBytes(4).toString("hex");
  #lastRequest = 0;
  #grants: LoggedGrant[] = [];
  #failure: LogFailure | undefined;
  #syncing: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #closed = false;

  private constructor(path: string, lock: LogLock, file: number, draft?: string) {
    this.path = path;
    this.#lock = lock;
    this.#file = file;
    this.#draft = draft;
  }

  /**
   * Prepares a new log: takes its lock and opens a draft, to which the grants are written. The log comes
   * to be with all of them at `start`, or not at all.
   *
   * @throws UsageError when the file exists, is being written, or cannot be made.
   */
  static create(path: string, flag = "--log"): RunLog {
    const lock = LogLock.take(path, flag);
    try {
      if (existsSync(path)) {
        throw new UsageError(
          `${flag}: ${path} exists. Name another file, or continue that run: zitadel-user-grants resume ${path}`,
        );
      }
      const draft = `${path}.unfinished`;
      // Of a run that was killed before it started; a link is removed and not followed.
      rmSync(draft, { force: true });
      const log = new RunLog(path, lock, open(draft, "wx", flag), draft);
      log.#append(logFormat);
      return log;
    } catch (error) {
      lock.release();
      throw asUsageError(error, flag);
    }
  }

  /**
   * Continues a log that was read under this lock.
   *
   * @param wholeBytes up to where its lines are complete: a half-written last line is cut off.
   */
  static resume(path: string, lock: LogLock, wholeBytes: number, head: LogHead): RunLog {
    try {
      const log = new RunLog(path, lock, open(path, "a", "resume"));
      ftruncateSync(log.#file, wholeBytes);
      log.#append({ run: "resumed", at: now(), ...head });
      return log;
    } catch (error) {
      throw asUsageError(error, "resume");
    }
  }

  /** Adds a grant to the list of the run. */
  grant(grant: LoggedGrant): void {
    this.#grants.push(grant);
    if (this.#grants.length >= grantsInLine) {
      this.#flushGrants();
    }
  }

  /**
   * Puts the draft in its place, on the disk.
   *
   * @throws LogFailure, or UsageError when there is another file by now. Nothing is left then.
   */
  start(head: LogHead): void {
    try {
      this.#putInPlace(head);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  #putInPlace(head: LogHead): void {
    this.#flushGrants();
    this.#append({ run: "started", at: now(), ...head });
    fsyncSync(this.#file);
    if (this.#draft !== undefined) {
      if (existsSync(this.path)) {
        throw new UsageError(`${this.path} was made by another program meanwhile.`);
      }
      renameSync(this.#draft, this.path);
    }
    syncDirectory(dirname(this.path));
  }

  /** Gives up a log that was not started: nothing of it is left. */
  discard(): void {
    this.#closed = true;
    closeSync(this.#file);
    if (this.#draft !== undefined) {
      rmSync(this.#draft, { force: true });
    }
    this.#lock.release();
  }

  /**
   * Writes the ids of a request, for good, and returns its number.
   *
   * @throws LogFailure when they cannot be written, or when the log is not this process's any more.
   */
  async request(ids: readonly string[]): Promise<string> {
    if (!this.#lock.held) {
      throw this.#fail(new Error("its lock was deleted or taken by another run"));
    }
    this.#lastRequest += 1;
    const request = `${this.#session}-${this.#lastRequest}`;
    this.#append({ request, ids });
    await this.sync();
    return request;
  }

  /** Why it cannot be written any more. */
  get failure(): LogFailure | undefined {
    return this.#failure;
  }

  /** Never throws, as what it says has happened: see `failure`. */
  answer(request: string, ok: boolean, requestId?: string): void {
    this.#note({
      ...{ answer: request, ok, at: now() },
      ...(requestId === undefined ? {} : { requestId }),
    });
  }

  /** Never throws, as `answer`. */
  outcome(outcome: LoggedOutcome & { readonly newGrantId?: string }): void {
    this.#note({ ...outcome, at: now() });
    // Not waited for: should it not come to that, the response to its request is taken for lost.
    this.sync().catch(() => undefined);
  }

  /** Resolves when everything written so far is on the disk. Many share one flush. */
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
    // The flush under way may have begun before the last lines were written.
    this.#again ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#again = undefined;
        return this.sync();
      });
    return this.#again;
  }

  /**
   * Writes why the run ended, and gives up the lock.
   *
   * @throws LogFailure after the lock was given up.
   */
  async close(because: string): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    try {
      this.#append({ run: "ended", at: now(), because });
      await this.sync();
    } finally {
      closeSync(this.#file);
      this.#lock.release();
    }
  }

  #flushGrants(): void {
    if (this.#grants.length > 0) {
      const grants = this.#grants.map(({ userId, ...grant }) =>
        userId || Object.values(grant).filter((value) => value !== undefined).length > 1
          ? { ...grant, ...(userId ? { userId } : {}) }
          : grant.grantId,
      );
      this.#grants = [];
      this.#append({ grants });
    }
  }

  #note(entry: Entry): void {
    try {
      this.#append(entry);
    } catch {
      // It is in `failure`.
    }
  }

  #append(entry: Entry): void {
    if (this.#failure !== undefined) {
      // After a line that is cut short, another one would make the log unreadable.
      throw this.#failure;
    }
    const bytes = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      // On a full disk the first write may be short, and the next one says why.
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#file, bytes, written);
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): LogFailure {
    this.#failure ??= new LogFailure(
      `${this.path} cannot be written: ${(error as Error).message}`,
      { cause: error },
    );
    return this.#failure;
  }
}

const now = () => new Date().toISOString();

function open(path: string, mode: "wx" | "a", flag: string): number {
  try {
    // Readable for its owner alone: it tells who lost which access.
    return openSync(path, mode, 0o600);
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`);
  }
}

function asUsageError(error: unknown, flag: string): unknown {
  return error instanceof LogFailure ? new UsageError(`${flag}: ${error.message}`) : error;
}

/** The name of a new file is on the disk when its directory is. */
function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, "r");
    fsyncSync(directory);
    closeSync(directory);
  } catch {
    // Windows has no such thing, and needs none.
  }
}

function flush(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
  });
}
