import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { platform, timestamp } from "../../common/environment.js";
import { UsageError } from "../io.js";
import { type LoggedGrant, type LoggedOutcome, type LogHead, logFormat } from "./entry.js";
import { LogLock } from "./lock.js";
import { type LogFailure, LogFile } from "./log-file.js";

const grantsInLine = 200;

/**
 * The log of a run: JSON Lines, appended to. Whatever happens to the process or the machine, the ids of
 * each request are on the disk before it is sent.
 */
export class RunLog {
  readonly #file: LogFile;
  readonly #draft: string | undefined;
  readonly #onExit = () => this.discard();
  #lastRequest = 0;
  #grants: LoggedGrant[] = [];

  private constructor(file: LogFile, draft?: string) {
    this.#file = file;
    this.#draft = draft;
    if (draft !== undefined) {
      process.on("exit", this.#onExit);
    }
  }

  get path(): string {
    return this.#file.path;
  }

  /** Why it can no longer be written. */
  get failure(): LogFailure | undefined {
    return this.#file.failure;
  }

  /**
   * Prepares a new log: takes its lock and opens a draft, to which the grants are written. At `start`, the
   * log comes into existence with all of them, or not at all.
   *
   * @throws UsageError when the file exists, is being written, or cannot be created.
   */
  static create(path: string, flag = "--log"): RunLog {
    const lock = LogLock.take(path, flag);
    try {
      if (existsSync(path)) {
        throw new UsageError(
          statSync(path).isDirectory()
            ? `${flag}: ${path} is a directory. Name a file in it.`
            : `${flag}: ${path} exists. Name another file, or continue that run: zitadel-user-grants resume ${path}`,
        );
      }
      const draft = `${path}.unfinished`;
      // Of a run that was killed before it started; a link is removed and not followed.
      rmSync(draft, { force: true });
      const file = new LogFile(path, lock, draft, "wx", flag);
      file.append(logFormat);
      return new RunLog(file, draft);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * Continues a log that was read under this lock.
   *
   * @param wholeBytes the length of its complete lines, in bytes: a half-written last line is cut off.
   * @throws UsageError
   */
  static resume(path: string, lock: LogLock, wholeBytes: number, head: LogHead): RunLog {
    const file = new LogFile(path, lock, path, "a", "resume");
    file.truncate(wholeBytes);
    file.append({ run: "resumed", at: now(), ...head });
    return new RunLog(file);
  }

  /** Adds a grant to the list of the run. @throws LogFailure */
  grant(grant: LoggedGrant): void {
    this.#grants.push(grant);
    if (this.#grants.length >= grantsInLine) {
      this.#flushGrants();
    }
  }

  /**
   * Moves the draft to its final path, durably.
   *
   * @throws LogFailure, or UsageError when another file exists by now. No file is left behind then.
   */
  start(head: LogHead): void {
    try {
      this.#putInPlace(head);
      process.off("exit", this.#onExit);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Discards a log that was not started: no file is left behind. */
  discard(): void {
    process.off("exit", this.#onExit);
    if (this.#draft !== undefined) {
      rmSync(this.#draft, { force: true });
    }
    // Without a last entry, this cannot fail.
    void this.#file.close();
  }

  /**
   * Durably records the ids of a request, and returns its number.
   *
   * @throws LogFailure when they cannot be written, or when this process no longer holds the log.
   */
  async request(ids: readonly string[]): Promise<string> {
    this.#lastRequest += 1;
    const request = `${this.#file.session}-${this.#lastRequest}`;
    await this.#file.announce({ request, ids });
    return request;
  }

  /** Never throws, as it records what has happened: see `failure`. */
  response(request: string, ok: boolean, requestId?: string): void {
    this.#file.note({
      ...{ answer: request, ok, at: now() },
      ...(requestId === undefined ? {} : { requestId }),
    });
  }

  /** Never throws, as `response`. */
  outcome(outcome: LoggedOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /**
   * Records why the run stopped, and releases the lock.
   *
   * @throws LogFailure after the lock was released.
   */
  async close(because: string): Promise<void> {
    await this.#file.close({ run: "ended", at: now(), because });
  }

  #putInPlace(head: LogHead): void {
    this.#flushGrants();
    this.#file.append({ run: "started", at: now(), ...head });
    this.#file.syncNow();
    if (this.#draft !== undefined) {
      if (existsSync(this.path)) {
        throw new UsageError(`${this.path} was made by another program meanwhile.`);
      }
      renameSync(this.#draft, this.path);
    }
    syncDirectory(dirname(this.path));
  }

  #flushGrants(): void {
    if (this.#grants.length > 0) {
      const grants = this.#grants.map(({ userId, ...grant }) =>
        userId || Object.values(grant).filter((value) => value !== undefined).length > 1
          ? { ...grant, ...(userId ? { userId } : {}) }
          : grant.grantId,
      );
      this.#grants = [];
      this.#file.append({ grants });
    }
  }
}

const now = () => timestamp(platform);

/** The name of a new file is durable only when its directory is flushed. */
function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, "r");
    fsyncSync(directory);
    closeSync(directory);
  } catch {
    // Windows does not support this, and does not need it.
  }
}
