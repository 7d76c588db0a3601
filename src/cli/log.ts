import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Outcome } from "../bulk/outcome.js";
import { describeError } from "../errors/describe.js";
import type { InputGrant } from "./input.js";
import { UsageError } from "./io.js";

/** What a run is for; a log is resumed by the same only. */
export interface LogHead {
  readonly command: "remove" | "deactivate";
  readonly url: string;
  readonly orgId: string | null;
}

/**
 * A line of a log. `answer` says that a request was answered, so that its ids are not in doubt: with
 * `ok` all of them are done, be their outcomes written or not.
 */
type Entry =
  | ({ readonly run: "started" | "resumed"; readonly at: string } & LogHead)
  | { readonly grants: readonly (string | InputGrant)[] }
  | { readonly request: number; readonly ids: readonly string[] }
  | { readonly answer: number; readonly ok: boolean }
  | LoggedOutcome;

/** An outcome as it is written. */
export interface LoggedOutcome {
  readonly grantId: string;
  readonly status: string;
  readonly answerLost?: true;
  readonly error?: { readonly code: number; readonly id?: string; readonly message: string };
}

/** What a log says about the run that wrote it. */
export interface LogContent {
  readonly head: LogHead;
  readonly grants: readonly InputGrant[];
  /** By grant id, the last one: those that failed may have several. */
  readonly outcomes: ReadonlyMap<string, LoggedOutcome>;
  /** Grants of requests that were answered OK and whose outcomes were not written any more. */
  readonly doneUnwritten: readonly string[];
  /** Requests that were answered OK. */
  readonly confirmed: readonly (readonly string[])[];
  /** Requests whose answers did not come. */
  readonly unanswered: readonly (readonly string[])[];
  readonly lastRequest: number;
}

const grantsInLine = 1000;

/**
 * The log of a run: JSON Lines, appended to. Whatever happens to the process or the machine, the ids of
 * each request are on the disk before it is sent.
 */
export class RunLog {
  readonly #file: number;
  #lastRequest: number;
  #syncing: Promise<void> | undefined;
  #again: Promise<void> | undefined;

  private constructor(file: number, lastRequest: number) {
    this.#file = file;
    this.#lastRequest = lastRequest;
  }

  /**
   * Starts a log. It comes to be with the whole list of grants or not at all.
   *
   * @throws UsageError when the file exists, or cannot be made.
   */
  static start(path: string, head: LogHead, grants: readonly InputGrant[]): RunLog {
    if (existsSync(path)) {
      throw new UsageError(
        `--log: ${path} exists. Name another file, or go on with it: --resume ${path}`,
      );
    }
    const unfinished = `${path}.unfinished`;
    const log = new RunLog(open(unfinished, "w", "--log"), 0);
    log.#append({ run: "started", at: new Date().toISOString(), ...head });
    log.#appendGrants(grants);
    fsyncSync(log.#file);
    renameSync(unfinished, path);
    syncDirectory(dirname(path));
    return log;
  }

  /** Goes on with a log. @param added grants that it does not know yet. */
  static resume(path: string, content: LogContent, added: readonly InputGrant[]): RunLog {
    const log = new RunLog(open(path, "a", "--resume"), content.lastRequest);
    log.#append({ run: "resumed", at: new Date().toISOString(), ...content.head });
    log.#appendGrants(added);
    return log;
  }

  /** Writes the ids of a request, for good, and returns its number. */
  async request(ids: readonly string[]): Promise<number> {
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    this.#append({ request, ids });
    await this.sync();
    return request;
  }

  answer(request: number, ok: boolean): void {
    this.#append({ answer: request, ok });
  }

  outcome(outcome: LoggedOutcome): void {
    this.#append(outcome);
    // Not waited for: should it not come to that, the answer of its request is taken for lost.
    this.sync().catch(() => undefined);
  }

  /** Resolves when everything written so far is on the disk. Many share one flush. */
  sync(): Promise<void> {
    if (this.#syncing === undefined) {
      this.#syncing = flush(this.#file).finally(() => {
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

  async close(): Promise<void> {
    await this.sync();
    closeSync(this.#file);
  }

  #appendGrants(grants: readonly InputGrant[]): void {
    for (let from = 0; from < grants.length; from += grantsInLine) {
      this.#append({
        grants: grants
          .slice(from, from + grantsInLine)
          .map((grant) => (grant.userId === "" ? grant.grantId : grant)),
      });
    }
  }

  #append(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** How an outcome is written, in logs and with `--json`. */
export function toLogged({ grantId, status, answerLost, error }: Outcome<string>): LoggedOutcome {
  const lost = answerLost ? { answerLost } : {};
  if (error === undefined) {
    return { grantId, status, ...lost };
  }
  const { code, id, message } = describeError(error);
  return {
    grantId,
    status,
    ...lost,
    error: { code, ...(id === undefined ? {} : { id }), message },
  };
}

/**
 * Reads a log. A last line that was not written to its end is cut off.
 *
 * @throws UsageError when it is no log.
 */
export function readLog(path: string): LogContent {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(`--resume: ${(error as Error).message}`);
  }
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) {
    truncateSync(path, whole);
  }
  const builder = new LogReader();
  const lines = bytes.toString("utf8", 0, whole).split("\n");
  lines.pop();
  for (const [index, text] of lines.entries()) {
    try {
      builder.add(JSON.parse(text));
    } catch {
      throw new UsageError(`--resume: line ${index + 1} of ${path} is not of a log.`);
    }
  }
  return builder.content(path);
}

class LogReader {
  #head: LogHead | undefined;
  readonly #grants = new Map<string, InputGrant>();
  readonly #outcomes = new Map<string, LoggedOutcome>();
  readonly #open = new Map<number, readonly string[]>();
  readonly #confirmed: (readonly string[])[] = [];
  #lastRequest = 0;

  add(entry: Entry): void {
    if ("run" in entry) {
      this.#head ??= { command: entry.command, url: entry.url, orgId: entry.orgId };
    } else if ("grants" in entry) {
      for (const grant of entry.grants) {
        const known = typeof grant === "string" ? { userId: "", grantId: grant } : grant;
        this.#grants.set(known.grantId, known);
      }
    } else if ("request" in entry) {
      this.#lastRequest = Math.max(this.#lastRequest, entry.request);
      this.#open.set(entry.request, entry.ids);
    } else if ("answer" in entry) {
      const ids = this.#open.get(entry.answer);
      this.#open.delete(entry.answer);
      if (entry.ok && ids !== undefined) {
        this.#confirmed.push(ids);
      }
    } else if ("grantId" in entry) {
      this.#outcomes.set(entry.grantId, entry);
    } else {
      throw new Error("unknown entry");
    }
  }

  content(path: string): LogContent {
    if (this.#head === undefined) {
      throw new UsageError(`--resume: ${path} is no log of a run.`);
    }
    return {
      head: this.#head,
      grants: [...this.#grants.values()],
      outcomes: this.#outcomes,
      doneUnwritten: this.#confirmed.flat().filter((id) => !this.#outcomes.has(id)),
      confirmed: this.#confirmed,
      unanswered: [...this.#open.values()],
      lastRequest: this.#lastRequest,
    };
  }
}

function open(path: string, mode: "w" | "a", flag: string): number {
  try {
    // Readable for its owner alone: it tells who lost which access.
    return openSync(path, mode, 0o600);
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`);
  }
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
