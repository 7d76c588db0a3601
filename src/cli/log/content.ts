import { fileProblem } from "../file-problem.js";
import { GrantTable } from "../grant-table.js";
import { UsageError } from "../io.js";
import { type Entry, type LoggedGrant, type LogHead, logFormat, parseEntry } from "./entry.js";
import { GrantStates } from "./grant-states.js";
import { completeLines } from "./lines.js";
import { RestoreProgress } from "./restore-progress.js";

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
