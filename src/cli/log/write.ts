import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { CallOptions } from "@connectrpc/connect";
import { type ManagementClient, NotSent, platform, timestamp } from "../../bulk/internal.js";
import { describeError, mayHaveBeenApplied } from "../../index.js";
import { UsageError } from "../io.js";
import { quoted } from "../terminal.js";
import {
  type Change,
  type Effect,
  type LoggedGrant,
  type LoggedOutcome,
  type LogHead,
  logFormat,
  type RestoreOutcome,
  type SentStep,
  type Step,
} from "./entry.js";
import { type LogFailure, LogFile } from "./file.js";
import { LogLock } from "./lock.js";

const grantsInLine = 200;

type Account = Pick<LogHead, "accountId" | "accountName">;

/** Where a run writes its log when no path is given: in the working directory, named after the time. */
export function defaultLogPath(): string {
  const time = timestamp(platform)
    .replace(/[-:]/g, "")
    .replace(/\.(\d+)Z$/, "-$1Z");
  return `./zitadel-user-grants-${time}.jsonl`;
}

/**
 * The log of a run, of its repairs and of its restores: JSON Lines, appended to. Whatever happens to the
 * process or the machine, what is about to be sent is on the disk before it is sent.
 *
 * What has happened is recorded by methods that never throw, since it cannot be undone: see `failure`.
 */
export class RunLog {
  readonly #file: LogFile;
  readonly #draft: string | undefined;
  readonly #isRestore: boolean;
  readonly #onExit = () => this.discard();
  #lastNumber = 0;
  #grants: LoggedGrant[] = [];

  private constructor(file: LogFile, { draft = "", isRestore = false } = {}) {
    this.#file = file;
    this.#draft = draft || undefined;
    this.#isRestore = isRestore;
    if (draft) {
      process.on("exit", this.#onExit);
    }
  }

  /**
   * Prepares a new log: takes its lock and opens a draft, to which the grants are written. At `start`, the
   * log comes into existence with all of them, or not at all.
   *
   * @throws UsageError when the file exists, is being written, or cannot be created.
   */
  static create(path: string): RunLog {
    const lock = LogLock.take(path, "--log");
    try {
      if (existsSync(path)) {
        throw new UsageError(
          statSync(path).isDirectory()
            ? `--log: ${path} is a directory. Name a file in it.`
            : `--log: ${path} exists. Name another file, or continue that run: zitadel-user-grants resume ${quoted(path)}`,
        );
      }
      const draft = `${path}.unfinished`;
      // Of a run that was killed before it started; a link is removed and not followed.
      rmSync(draft, { force: true });
      const file = new LogFile(path, lock, draft, "wx", "--log");
      file.append(logFormat);
      return new RunLog(file, { draft });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * Continues a log that was read under this lock, with a resumption or a restore of its run.
   *
   * @param wholeBytes the length of its complete lines, in bytes: a half-written last line is cut off.
   * @param command names the command in messages.
   * @throws UsageError
   */
  static reopen(
    path: string,
    lock: LogLock,
    wholeBytes: number,
    command: string,
    begin: ({ readonly run: "resumed" } & LogHead) | ({ readonly restore: "started" } & Account),
  ): RunLog {
    const file = new LogFile(path, lock, path, "a", command);
    file.truncate(wholeBytes);
    file.append({ ...begin, at: now() });
    return new RunLog(file, { isRestore: "restore" in begin });
  }

  get path(): string {
    return this.#file.path;
  }

  /** Why it can no longer be written. */
  get failure(): LogFailure | undefined {
    return this.#file.failure;
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

  /** Durably records the ids of a request that is about to be sent. @returns its number. @throws LogFailure */
  async request(ids: readonly string[]): Promise<string> {
    const request = this.#nextNumber();
    await this.#file.announce({ request, ids });
    return request;
  }

  /** Never throws. */
  response(request: string, ok: boolean, details: Change & { requestId?: string } = {}): void {
    this.#file.note({ ...{ answer: request, ok, at: now() }, ...details });
  }

  /** Never throws. */
  outcome(outcome: LoggedOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /** Durably records a step of a restore or a repair that is about to be sent. @throws LogFailure */
  async step(grantId: string, what: Step): Promise<SentStep> {
    const number = this.#nextNumber();
    const at = now();
    const repair = this.#isRestore ? {} : ({ repair: true } as const);
    await this.#file.announce({ step: number, at, do: what, grantId, ...repair });
    return { number, atMs: Date.parse(at) };
  }

  /** Records the response to a step; without it, it may still be applied. Never throws. */
  stepResponse(step: string, ok: boolean, details: Change & { newGrantId?: string } = {}): void {
    this.#file.note({ ...{ stepResponse: step, ok, at: now() }, ...details });
  }

  /** Records what ZITADEL shows after the run. Never throws. */
  effect(effect: Effect): void {
    this.#file.note({ effect, at: now() });
  }

  /** Never throws. */
  restored(outcome: RestoreOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /** Records why it stopped, and releases the lock. @throws LogFailure after the lock was released. */
  async close(because: string): Promise<void> {
    const last = { at: now(), because };
    await this.#file.close(
      this.#isRestore ? { restore: "ended", ...last } : { run: "ended", ...last },
    );
  }

  /** Unique in the whole log. */
  #nextNumber(): string {
    this.#lastNumber += 1;
    return `${this.#file.session}-${this.#lastNumber}`;
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
    log.response(request, true, { ...defined({ requestId }), ...changeOf(response) });
    return response;
  } catch (error) {
    if (!mayHaveBeenApplied(error)) {
      log.response(request, false, defined({ requestId: describeError(error).requestId }));
    }
    throw error;
  }
}

/** The last change of a grant, from the details of the response that made it. */
export function changeOf(response: object): Change {
  const details = "details" in response ? (response.details as Details | undefined) : undefined;
  const { sequence, changeDate } = details ?? {};
  return defined({
    sequence: sequence ? String(sequence) : undefined,
    changeDate: changeDate && rfc3339(changeDate),
  });
}

interface Details {
  readonly sequence?: bigint;
  readonly changeDate?: { readonly seconds: bigint; readonly nanos: number } | undefined;
}

/** To the nanosecond: two changes may have the same millisecond. */
function rfc3339({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): string {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(nanos).padStart(9, "0")}Z`;
}

function defined<T extends object>(fields: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value)) as never;
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
