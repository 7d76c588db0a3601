import { closeSync, openSync, readSync } from "node:fs";
import { GrantTable } from "../grants/table.js";
import { fileProblem, UsageError } from "../io.js";
import {
  type Entry,
  type LoggedGrant,
  type LogHead,
  type LostStep,
  logFormat,
  type OutcomeEntry,
  parseEntry,
  type RestoreEntry,
  type RestoreOutcome,
  type RestoreStep,
} from "./entry.js";

/** A start or a resumption of the run. */
export interface Session {
  readonly at: string;
  readonly head: LogHead;
  /** When and why it stopped; undefined if it was killed, or is still running. */
  ended?: { readonly at: string; readonly because: string };
}

/** What a log records about its run: grants are identified by their numbers in `grants`. */
export class LogContent {
  readonly path: string;
  readonly grants = new GrantTable();
  readonly states = new GrantStates();
  readonly sessions: Session[] = [];
  readonly restore = new RestoreProgress();
  /** The length of the complete lines, in bytes. */
  wholeBytes = 0;
  /** Numbers of grants of each request without a response. */
  readonly #open = new Map<string, number[]>();
  readonly #keepsRequestIds: boolean;

  private constructor(path: string, keepsRequestIds: boolean) {
    this.path = path;
    this.#keepsRequestIds = keepsRequestIds;
  }

  /**
   * Reads a log without changing it.
   *
   * @param flag names the option in messages.
   * @param keepsRequestIds whether ZITADEL's ids of successful requests are needed: each deactivation has one,
   * which takes as much memory as all else.
   * @throws UsageError when it is not a log, or one of its complete lines is invalid.
   */
  static read(path: string, flag: string, keepsRequestIds = false): LogContent {
    const content = new LogContent(path, keepsRequestIds);
    let number = 0;
    try {
      for (const { text, end } of completeLines(path)) {
        number += 1;
        content.#add(parseEntry(text), number);
        content.wholeBytes = end;
      }
    } catch (error) {
      throw error instanceof Error && "syscall" in error
        ? unreadable(path, flag, error)
        : number <= 1
          ? notALog(path, flag)
          : new UsageError(
              `${flag}: ${path} is damaged: line ${number} cannot be read. It was not changed.`,
            );
    }
    if (content.sessions.length === 0) {
      throw notALog(path, flag);
    }
    return content;
  }

  /**
   * Reads only the head.
   *
   * @throws UsageError as `read`.
   */
  static readHead(path: string, flag: string): LogHead {
    let number = 0;
    try {
      for (const { text } of completeLines(path)) {
        number += 1;
        // A Windows line ending does no harm.
        if (number === 1 && text.trimEnd() !== JSON.stringify(logFormat)) {
          break;
        }
        const entry = text.startsWith('{"run":"started"') ? parseEntry(text) : undefined;
        if (entry !== undefined && "run" in entry && entry.run !== "ended") {
          const { run: _, at: __, ...head } = entry;
          return head;
        }
      }
    } catch (error) {
      if (error instanceof Error && "syscall" in error) {
        throw unreadable(path, flag, error);
      }
    }
    throw notALog(path, flag);
  }

  get head(): LogHead {
    const [first] = this.sessions;
    if (first === undefined) {
      throw new Error("a log without a head");
    }
    return first.head;
  }

  /** Requests whose responses were lost. */
  withoutResponse(): readonly (readonly number[])[] {
    return [...this.#open.values()];
  }

  /** How many grants have each status. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (let index = 0; index < this.grants.size; index++) {
      const status = this.states.status(index);
      counts[status] = (counts[status] ?? 0) + 1;
    }
    return counts;
  }

  #add(entry: Entry, number: number): void {
    if ((number === 1) !== "log" in entry) {
      throw new Error("the first line, and no other, names the format");
    }
    if ("run" in entry) {
      const last = this.sessions.at(-1);
      if (entry.run !== "ended") {
        const { run: _, at, ...head } = entry;
        this.sessions.push({ at, head });
      } else if (last !== undefined) {
        last.ended = { at: entry.at, because: entry.because };
      }
    } else if ("grants" in entry) {
      for (const grant of entry.grants) {
        const { grantId, userId } = typeof grant === "string" ? toRecord(grant) : grant;
        this.states.include(this.grants.add(grantId, userId));
      }
    } else if ("request" in entry) {
      const indexes = entry.ids.map((id) => this.#known(id));
      this.#open.set(entry.request, indexes);
      for (const index of indexes) {
        this.states.asked(index);
      }
    } else if ("answer" in entry) {
      const request = this.#open.get(entry.answer) ?? [];
      const requestId = this.#keepsRequestIds ? entry.requestId : undefined;
      this.states.responded(request, entry.ok, entry.at, requestId);
      this.#open.delete(entry.answer);
    } else if ("status" in entry) {
      this.states.decide(this.#known(entry.grantId), entry);
    } else if (!("log" in entry)) {
      this.restore.add(entry, (grantId) => this.#known(grantId));
    }
  }

  #known(grantId: string): number {
    const index = this.grants.indexOf(grantId);
    if (index === -1) {
      throw new Error(`grant ${grantId} is not in the list`);
    }
    return index;
  }
}

/** The grants of a log with their recorded state, in order. Each occurs once. */
export function* loggedGrants(path: string): Generator<LoggedGrant> {
  const seen = new GrantTable();
  for (const { text } of completeLines(path)) {
    if (!text.startsWith('{"grants":')) {
      continue;
    }
    const entry = parseEntry(text);
    for (const grant of "grants" in entry ? entry.grants : []) {
      const record = typeof grant === "string" ? toRecord(grant) : grant;
      const before = seen.size;
      if (seen.add(record.grantId) === before) {
        yield record;
      }
    }
  }
}

function unreadable(path: string, flag: string, error: Error): UsageError {
  return new UsageError(`${flag}: ${path} cannot be read: ${fileProblem(error, "read")}.`);
}

function notALog(path: string, flag: string): UsageError {
  return new UsageError(
    `${flag}: ${path} is not a log of zitadel-user-grants. It was not changed.`,
  );
}

function toRecord(grantId: string): LoggedGrant {
  return { grantId };
}

interface GrantState {
  status: string;
  /** Whether a request that held this grant got OK. */
  confirmed: boolean;
  at: string | undefined;
  requestId: string | undefined;
  /** The last outcome, if it has more than a status. */
  details: OutcomeEntry | undefined;
}

/** What a log records about each grant, by number. */
export class GrantStates {
  readonly #states: GrantState[] = [];

  /** Adds the next grant. */
  include(index: number): void {
    this.#states[index] ??= {
      ...{ status: "", confirmed: false },
      ...{ at: undefined, requestId: undefined, details: undefined },
    };
  }

  /** The response to a request that held these grants arrived: OK or an error. */
  responded(indexes: readonly number[], ok: boolean, at?: string, requestId?: string): void {
    for (const index of indexes) {
      const state = this.#of(index);
      if (ok) {
        state.confirmed = true;
        state.at = at;
      }
      if (requestId && (ok || indexes.length === 1)) {
        state.requestId = requestId;
      }
    }
  }

  /** The grant is requested again, so an earlier failure no longer counts. */
  asked(index: number): void {
    const state = this.#of(index);
    if (state.status === "failed") {
      state.status = "";
      state.details = undefined;
    }
  }

  decide(index: number, entry: OutcomeEntry): void {
    const state = this.#of(index);
    state.status = entry.status;
    state.at = entry.at;
    state.details = entry.error !== undefined || entry.answerLost ? entry : undefined;
  }

  /** The last recorded status; "" if there is no status. */
  status(index: number): string {
    return this.#of(index).status;
  }

  /** Whether a request that held this grant got OK. */
  confirmed(index: number): boolean {
    return this.#of(index).confirmed;
  }

  /** The details of the last outcome. */
  details(index: number): Pick<OutcomeEntry, "answerLost" | "error"> {
    return this.#of(index).details ?? {};
  }

  /** When it was decided; undefined if unknown. */
  at(index: number): string | undefined {
    return this.#of(index).at;
  }

  /** ZITADEL's id of the request that decided it, if there is one. */
  requestId(index: number): string | undefined {
    const { details, requestId } = this.#of(index);
    return details?.error?.requestId ?? requestId;
  }

  #of(index: number): GrantState {
    const state = this.#states[index];
    if (state === undefined) {
      throw new RangeError(`there is no grant with number ${index}`);
    }
    return state;
  }
}

interface GrantProgress {
  outcome?: RestoreOutcome;
  newGrantId?: string;
  /** Attempts to add it whose responses are unknown. */
  lostAdds?: readonly LostStep[];
}

/** What restores of a run have done so far, by the numbers of its grants. */
export class RestoreProgress {
  readonly sessions: {
    readonly at: string;
    readonly account: string;
    ended?: { readonly at: string; readonly because: string };
  }[] = [];
  readonly #byGrant = new Map<number, GrantProgress>();
  readonly #steps = new Map<string, { readonly index: number; readonly do: RestoreStep }>();

  /** Whether a restore has begun. */
  get begun(): boolean {
    return this.sessions.length > 0;
  }

  outcome(index: number): RestoreOutcome | undefined {
    return this.#byGrant.get(index)?.outcome;
  }

  /** The grant that was added in place of a removed one. */
  newGrantId(index: number): string | undefined {
    return this.#byGrant.get(index)?.newGrantId;
  }

  /** Attempts to add a grant in place of a removed one whose responses are unknown. */
  lostAdds(index: number): readonly LostStep[] {
    return this.#byGrant.get(index)?.lostAdds ?? [];
  }

  /** @param numberOf throws for a grant that is not in the log. */
  add(entry: RestoreEntry, numberOf: (grantId: string) => number): void {
    if ("restore" in entry) {
      const last = this.sessions.at(-1);
      if (entry.restore === "started") {
        const { at, accountId, accountName } = entry;
        const account = accountName === undefined ? accountId : `${accountName} (${accountId})`;
        this.sessions.push({ at, account });
      } else if (last !== undefined) {
        last.ended = { at: entry.at, because: entry.because };
      }
    } else if ("step" in entry) {
      const index = numberOf(entry.grantId);
      this.#steps.set(entry.step, { index, do: entry.do });
      if (entry.do === "add") {
        const progress = this.#of(index);
        const lost = { number: entry.step, atMs: Date.parse(entry.at ?? "") };
        progress.lostAdds = [...(progress.lostAdds ?? []), lost];
      }
    } else if ("stepResponse" in entry) {
      const step = this.#steps.get(entry.stepResponse);
      if (step?.do === "add") {
        const progress = this.#of(step.index);
        progress.lostAdds = this.lostAdds(step.index).filter(
          ({ number }) => number !== entry.stepResponse,
        );
        if (entry.newGrantId !== undefined) {
          progress.newGrantId = entry.newGrantId;
        }
      }
      this.#steps.delete(entry.stepResponse);
    } else {
      this.#of(numberOf(entry.grantId)).outcome = entry;
    }
  }

  #of(index: number): GrantProgress {
    const known = this.#byGrant.get(index);
    if (known !== undefined) {
      return known;
    }
    const progress: GrantProgress = {};
    this.#byGrant.set(index, progress);
    return progress;
  }
}

/** How to look up a grant. */
export type FoundState = "gone" | "active" | "inactive";

/** What must be true if a log is right about a grant. */
export interface Expectation {
  /** The grant itself, or the one that a restore has added in its place. */
  readonly grantId: string;
  /** Undefined if the log is not certain. */
  readonly state: FoundState | undefined;
}

export function expectationOf(content: LogContent, index: number): Expectation {
  const grantId = content.grants.grantId(index);
  const restored = content.restore.outcome(index);
  if (restored !== undefined && restored.restored !== "failed") {
    return { grantId: restored.newGrantId ?? grantId, state: restored.state };
  }
  return { grantId, state: afterRun(content, index) };
}

function afterRun(content: LogContent, index: number): FoundState | undefined {
  switch (content.states.status(index)) {
    case "removed":
    case "not-found":
      return "gone";
    case "deactivated":
    case "already-inactive":
      return "inactive";
    default:
      if (!content.states.confirmed(index)) {
        return undefined;
      }
      return content.head.command === "remove" ? "gone" : "inactive";
  }
}

const chunkBytes = 1 << 18;

/**
 * The complete lines of a file, with the position where each ends. Text after the last line break is omitted.
 * The file is streamed, so that a log of any size takes little memory.
 *
 * @throws the file system's error; RangeError for a line of more than 16 MiB.
 */
export function* completeLines(path: string): Generator<{ text: string; end: number }> {
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let rest = Buffer.alloc(0);
    let position = 0;
    for (;;) {
      const read = readSync(file, chunk, 0, chunk.length, null);
      if (read === 0) {
        return;
      }
      let from = 0;
      for (;;) {
        const lineBreak = chunk.subarray(0, read).indexOf(0x0a, from);
        if (lineBreak === -1) {
          break;
        }
        const text = Buffer.concat([rest, chunk.subarray(from, lineBreak)]).toString("utf8");
        position += rest.length + lineBreak - from + 1;
        rest = Buffer.alloc(0);
        from = lineBreak + 1;
        yield { text, end: position };
      }
      rest = Buffer.concat([rest, chunk.subarray(from, read)]);
      if (rest.length > 1 << 24) {
        throw new RangeError("a line has more than 16 MiB");
      }
    }
  } finally {
    closeSync(file);
  }
}
