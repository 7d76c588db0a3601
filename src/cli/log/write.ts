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
import { promisify } from "node:util";
import type { CallOptions } from "@connectrpc/connect";
import { type ManagementClient, NotSent, platform, timestamp } from "../../bulk/internal.js";
import { describeError, mayHaveBeenApplied } from "../../index.js";
import { fileProblem, UsageError } from "../io.js";
import { quoted } from "../terminal.js";
import {
  type Begin,
  changeOf,
  type Entry,
  type LoggedGrant,
  type LogHead,
  logFormat,
  type Note,
  type Step,
  type StepEntry,
} from "./entry.js";
import { LogLock } from "./lock.js";

const grantsInLine = 200;

/** Where a run writes its log when no path is given: in the working directory, named after the time. */
export function defaultLogPath(): string {
  const time = now().replace(/[-:]/g, "").replace(".", "-");
  return `./zitadel-user-grants-${time}.jsonl`;
}

/**
 * The log of a run, of its repairs and of its restores: JSON Lines, appended to under its lock. Whatever happens
 * to the process or the machine, what is about to be sent is on the disk before it is sent.
 */
export class RunLog {
  readonly path: string;
  readonly #lock: LogLock;
  readonly #file: number;
  /** Unique to each writing process: numbers of requests begin with it. */
  readonly #session = randomBytes(4).toString("hex");
  readonly #onExit = () => this.discard();
  #lastNumber = 0;
  #grants: LoggedGrant[] = [];
  #failure: UsageError | undefined;
  /** Where it is written until the run begins. */
  #draft: string | undefined;
  #isClosed = false;

  private constructor(path: string, lock: LogLock, draft?: string) {
    this.path = path;
    this.#lock = lock;
    this.#draft = draft;
    try {
      // Readable only by its owner: it shows who lost which access.
      this.#file = openSync(draft ?? path, draft === undefined ? "a" : "wx", 0o600);
    } catch (error) {
      lock.release();
      throw new UsageError(`${path} cannot be written: ${fileProblem(error)}.`);
    }
  }

  /**
   * Prepares a new log: takes its lock and opens a draft, to which the grants are written as they are read.
   *
   * @throws UsageError when the file exists, is being written, or cannot be created.
   */
  static create(path: string): RunLog {
    const lock = LogLock.take(path);
    if (existsSync(path)) {
      lock.release();
      throw new UsageError(
        `--log: ${path} exists. Name another file, or continue that run: zitadel-user-grants resume ${quoted(path)}`,
      );
    }
    const draft = `${path}.unfinished`;
    // Of a run that was killed before it began; a link is removed and not followed.
    rmSync(draft, { force: true });
    const log = new RunLog(path, lock, draft);
    process.on("exit", log.#onExit);
    log.#append(logFormat);
    return log;
  }

  /**
   * Continues a log that was read under this lock, with a resumption or a restore of its run.
   *
   * @param wholeBytes the length of its complete lines, in bytes: a half-written last line is cut off.
   * @throws UsageError
   */
  static reopen(path: string, lock: LogLock, wholeBytes: number, begin: Omit<Begin, "at">): RunLog {
    const log = new RunLog(path, lock);
    ftruncateSync(log.#file, wholeBytes);
    log.#append({ ...begin, at: now() });
    return log;
  }

  /** Why it can no longer be written. */
  get failure(): UsageError | undefined {
    return this.#failure;
  }

  /** Adds a grant to the list of the run. @throws UsageError */
  grant(grant: LoggedGrant): void {
    this.#grants.push(grant);
    if (this.#grants.length >= grantsInLine) {
      this.#flushGrants();
    }
  }

  /** Begins the run: the log comes into existence, durably, with all of its grants. @throws UsageError */
  start(head: LogHead): void {
    this.#flushGrants();
    this.#append({ run: "started", at: now(), ...head });
    fsyncSync(this.#file);
    if (this.#draft !== undefined) {
      renameSync(this.#draft, this.path);
      this.#draft = undefined;
    }
    syncDirectory(dirname(this.path));
    process.off("exit", this.#onExit);
  }

  /** Deletes the draft of a run that has not begun. */
  discard(): void {
    if (this.#draft !== undefined) {
      process.off("exit", this.#onExit);
      rmSync(this.#draft, { force: true });
      this.#draft = undefined;
      this.#end();
    }
  }

  /** Durably records the ids of a request that is about to be sent. @returns its number. @throws UsageError */
  async request(ids: readonly string[]): Promise<string> {
    const request = this.#nextNumber();
    await this.#announce({ request, ids });
    return request;
  }

  /** Durably records a step of a restore or a repair that is about to be sent. @throws UsageError */
  async step(grantId: string, what: Step): Promise<StepEntry> {
    const entry = { step: this.#nextNumber(), at: now(), do: what, grantId };
    await this.#announce(entry);
    return entry;
  }

  /**
   * Records what has happened. Never throws, since it cannot be undone: see `failure`. It is on the disk with the
   * next request; should it be lost with the machine, its response counts as lost.
   */
  note(what: Note): void {
    // The response to a request that was given up may come after the end.
    if (!this.#isClosed) {
      try {
        this.#append({ ...what, at: now() });
      } catch {
        // Kept in `failure`.
      }
    }
  }

  /** Records why it stopped, and releases the lock. @throws UsageError after the lock was released. */
  async close(because: string): Promise<void> {
    this.#isClosed = true;
    try {
      this.#append({ run: "ended", at: now(), because });
      await this.#flush();
    } finally {
      this.#end();
    }
  }

  #end(): void {
    closeSync(this.#file);
    this.#lock.release();
  }

  /** Durably records what is about to be sent. @throws UsageError, also without the lock. */
  async #announce(entry: Entry): Promise<void> {
    if (this.#isClosed) {
      throw new UsageError(`${this.path} is closed`);
    }
    if (!this.#lock.held) {
      throw this.#fail(new Error("its lock was deleted or taken by another run"));
    }
    this.#append(entry);
    await this.#flush();
  }

  /** @throws UsageError */
  #append(entry: Entry): void {
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

  async #flush(): Promise<void> {
    await flushFile(this.#file).catch((error) => {
      throw this.#fail(error);
    });
  }

  #fail(error: unknown): UsageError {
    this.#failure ??= new UsageError(`${this.path} cannot be written: ${fileProblem(error)}`, {
      cause: error,
    });
    return this.#failure;
  }

  /** Unique in the whole log. */
  #nextNumber(): string {
    this.#lastNumber += 1;
    return `${this.#session}-${this.#lastNumber}`;
  }

  #flushGrants(): void {
    if (this.#grants.length > 0) {
      this.#append({ grants: this.#grants });
      this.#grants = [];
    }
  }
}

const flushFile = promisify(fdatasync);

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

async function logged<Response extends object>(
  log: RunLog,
  ids: readonly string[],
  options: CallOptions | undefined,
  send: (options: CallOptions) => Promise<Response>,
): Promise<Response> {
  let answer: string;
  try {
    answer = await log.request(ids);
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
    log.note({ answer, ok: true, requestId, ...changeOf(response) });
    return response;
  } catch (error) {
    if (!mayHaveBeenApplied(error)) {
      log.note({ answer, ok: false, requestId: describeError(error).requestId });
    }
    throw error;
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
