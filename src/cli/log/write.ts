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
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { CallOptions, Client } from "@connectrpc/connect";
import type { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { NotSent, platform, timestamp } from "../../bulk/internal.js";
import { mayHaveBeenApplied } from "../../errors/certainty.js";
import { describeError } from "../../errors/describe.js";
import type { Identity } from "../account.js";
import { fileProblem, UsageError } from "../io.js";
import {
  type Entry,
  type LoggedGrant,
  type LoggedOutcome,
  type LogHead,
  type LostStep,
  logFormat,
  type RestoreOutcome,
  type RestoreStep,
} from "./entry.js";
import { LogLock } from "./lock.js";

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

/** Records the steps of a restore in the log of the run that it undoes, so that none is done twice. */
export class RestoreLog {
  readonly #file: LogFile;
  #lastStep = 0;

  /**
   * @param wholeBytes the length of the log's complete lines, in bytes.
   * @throws UsageError when it cannot be written.
   */
  constructor(path: string, lock: LogLock, wholeBytes: number, identity: Identity) {
    this.#file = new LogFile(path, lock, path, "a", "restore");
    this.#file.truncate(wholeBytes);
    const { accountId, accountName } = identity;
    this.#file.append({ restore: "started", at: now(), accountId, accountName });
  }

  /** Why it can no longer be written. */
  get failure(): LogFailure | undefined {
    return this.#file.failure;
  }

  /** Durably records what is about to be sent. @throws LogFailure */
  async step(grantId: string, what: RestoreStep): Promise<LostStep> {
    this.#lastStep += 1;
    const step = `${this.#file.session}-${this.#lastStep}`;
    const at = now();
    await this.#file.announce({ step, at, do: what, grantId });
    return { number: step, atMs: Date.parse(at) };
  }

  /** Never throws: see `failure`. */
  response(step: string, ok: boolean, newGrantId?: string): void {
    this.#file.note({
      ...{ stepResponse: step, ok, at: now() },
      ...(newGrantId === undefined ? {} : { newGrantId }),
    });
  }

  /** Never throws, as `response`. */
  outcome(outcome: RestoreOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /** @throws LogFailure after the lock was released. */
  async close(because: string): Promise<void> {
    await this.#file.close({ restore: "ended", at: now(), because });
  }
}

const now = () => timestamp(platform);

type ManagementClient = Client<typeof ManagementService>;

/**
 * A client that logs each request before it is sent, and each response when it arrives. An error that leaves
 * open whether the request was applied is not a response. A request that cannot be logged is not sent, and
 * stops the run.
 */
export function loggedClient(client: ManagementClient, log: RunLog): ManagementClient {
  return {
    ...client,
    bulkRemoveUserGrant: (request, options) =>
      logged(log, request.grantId ?? [], options, (seen) =>
        client.bulkRemoveUserGrant(request, seen),
      ),
    deactivateUserGrant: (request, options) =>
      logged(log, [request.grantId ?? ""], options, (seen) =>
        client.deactivateUserGrant(request, seen),
      ),
  };
}

async function logged<Response>(
  log: RunLog,
  ids: readonly string[],
  options: CallOptions | undefined,
  send: (options: CallOptions) => Promise<Response>,
): Promise<Response> {
  let request: string;
  try {
    request = await log.request(ids);
  } catch (error) {
    throw new NotSent(error);
  }
  let requestId: string | undefined;
  try {
    const response = await send({
      ...options,
      onHeader: (headers) => {
        requestId = headers.get("x-request-id") ?? undefined;
        options?.onHeader?.(headers);
      },
    });
    log.response(request, true, requestId);
    return response;
  } catch (error) {
    if (!mayHaveBeenApplied(error)) {
      log.response(request, false, describeError(error).requestId);
    }
    throw error;
  }
}

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
      throw new UsageError(`${flag}: ${path} cannot be written: ${fileProblem(error, "write")}.`);
    }
  }

  /** Why it can no longer be written. */
  get failure(): LogFailure | undefined {
    return this.#failure;
  }

  get closed(): boolean {
    return this.#closed;
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

  /**
   * Records what has happened. Never throws: see `failure`. The response to a request that was given up
   * may come when the log is closed: it is taken for lost.
   */
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

  /**
   * Durably records what is about to be sent.
   *
   * @throws LogFailure when it cannot be written, or when this process no longer holds the log.
   */
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

  /**
   * Resolves when everything written so far is on the disk. Concurrent callers share one flush. @throws
   * LogFailure
   */
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
    this.#failure ??= new LogFailure(
      `${this.path} cannot be written: ${fileProblem(error, "write")}`,
      { cause: error },
    );
    return this.#failure;
  }
}

function flush(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Where a run writes its log when no path is given: in the working directory, named after the time. */
export function defaultLogPath(): string {
  const time = timestamp(platform)
    .replace(/[-:]/g, "")
    .replace(/\.(\d+)Z$/, "-$1Z");
  return `./zitadel-user-grants-${time}.jsonl`;
}
