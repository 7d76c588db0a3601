import { createReadStream, statSync } from "node:fs";
import { fileProblem, UsageError } from "../io.js";
import {
  type Change,
  type Effect,
  type Entry,
  type LoggedCommand,
  type LoggedGrant,
  type LoggedOutcome,
  type LogHead,
  logFormat,
  type RestoreOutcome,
  readEntry,
  type SentStep,
  type StepEntry,
} from "./entry.js";

/** A start, a resumption or a restore of the run. */
export interface Session {
  readonly what: "started" | "resumed" | "restored";
  readonly at: string;
  readonly account: string;
  /** When and why it stopped; undefined if it was killed, or is still running. */
  ended?: { readonly at: string; readonly because: string };
}

/** What a log records about a grant. There may be a million, so what few have is optional. */
export interface GrantInLog {
  readonly grantId: string;
  /** "" if unknown. */
  userId: string;
  /** The last recorded status; "" if there is none. */
  status: string;
  /** Whether a request that held it got OK. */
  confirmed: boolean;
  /** When it was decided. */
  at: string | undefined;
  /** The last outcome, if it has more than a status. */
  details?: LoggedOutcome | undefined;
  /** ZITADEL's id of the request that decided it. */
  requestId?: string;
  /** What the server said about its last deactivation, by the run or by a repair. */
  change?: Change;
  /** Whether a repair may have left it active: it was reactivated, and not deactivated since. */
  mayBeActive?: boolean;
  restored?: RestoreOutcome & { readonly at?: string };
  /** The grant that a restore has added in its place. */
  newGrantId?: string | undefined;
  /** Attempts of restores to add it whose responses are unknown. */
  lostAdds?: readonly SentStep[] | undefined;
}

/** What a log records about its run, its repairs and its restores. */
export class LogContent {
  readonly path: string;
  /** In the order of the log, each once. */
  readonly grants: GrantInLog[] = [];
  readonly sessions: Session[] = [];
  /** The last look at what ZITADEL shows. */
  effect: { readonly effect: Effect; readonly at?: string } | undefined;
  /** The length of the complete lines, in bytes. */
  wholeBytes = 0;
  readonly #byId = new Map<string, GrantInLog>();
  /** The grants of each request without a response. */
  readonly #open = new Map<string, readonly GrantInLog[]>();
  readonly #steps = new Map<string, StepEntry>();
  #head: LogHead | undefined;
  #time: string | undefined;

  private constructor(path: string) {
    this.path = path;
  }

  /** Reads a log without changing it. @throws UsageError when it is not a log, or one of its complete lines is invalid. */
  static async read(path: string): Promise<LogContent> {
    const content = new LogContent(path);
    let number = 0;
    try {
      for await (const { lines, end } of completeLines(path)) {
        for (const text of lines) {
          number += 1;
          content.#add(readEntry(text));
        }
        content.wholeBytes = end;
      }
    } catch (error) {
      throw error instanceof UsageError
        ? error
        : new UsageError(`${path} is damaged: line ${number} cannot be read. It was not changed.`);
    }
    if (content.#head === undefined) {
      throw notALog(path);
    }
    return content;
  }

  /** Reads the first line alone. @throws UsageError unless it is that of a log that this version reads. */
  static async check(path: string): Promise<void> {
    for await (const _ of completeLines(path)) {
      return;
    }
    throw notALog(path);
  }

  /** What the run does, and who began it. */
  get head(): LogHead {
    if (this.#head === undefined) {
      throw new Error("a log without a head");
    }
    return this.#head;
  }

  find(grantId: string): GrantInLog | undefined {
    return this.#byId.get(grantId);
  }

  /** The grants of requests without a response. */
  inDoubt(): ReadonlySet<GrantInLog> {
    return new Set([...this.#open.values()].flat());
  }

  /** How many grants have each status. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { status } of this.grants) {
      counts[status] = (counts[status] ?? 0) + 1;
    }
    return counts;
  }

  /** How each grant must be found if the log is right. */
  expectations(): Map<string, FoundState | undefined> {
    const expected = new Map<string, FoundState | undefined>();
    for (const grant of this.grants) {
      const { grantId, state } = expectationOf(grant, this.head.command);
      expected.set(grantId, state);
    }
    return expected;
  }

  /** @throws Error for an unknown entry, or grant. */
  #add(entry: Entry): void {
    if ("run" in entry || "restore" in entry) {
      const { at } = entry;
      const last = this.sessions.at(-1);
      if ("accountId" in entry) {
        const what = "run" in entry ? entry.run : "restored";
        this.sessions.push({ what, at, account: named(entry.accountName, entry.accountId) });
        this.#head ??= "run" in entry ? entry : undefined;
      } else if (last !== undefined) {
        last.ended = { at, because: entry.because };
      }
    } else if ("grants" in entry) {
      for (const { grantId, userId = "" } of grantsIn(entry)) {
        if (!this.#byId.has(grantId)) {
          const grant = { grantId, userId, status: "", confirmed: false, at: undefined };
          this.#byId.set(grantId, grant);
          this.grants.push(grant);
        }
      }
    } else if ("request" in entry) {
      const grants = entry.ids.map((id) => this.#known(id));
      this.#open.set(entry.request, grants);
      for (const grant of grants) {
        if (grant.status === "failed") {
          // It is requested again, so an earlier failure no longer counts.
          grant.status = "";
          grant.details = undefined;
        }
      }
    } else if ("answer" in entry) {
      const { answer, ok, requestId, sequence, changeDate } = entry;
      const at = this.#sameTime(entry.at);
      const grants = this.#open.get(answer) ?? [];
      for (const grant of grants) {
        if (ok) {
          grant.confirmed = true;
          grant.at = at;
        }
        if (requestId !== undefined && (ok || grants.length === 1)) {
          grant.requestId = requestId;
        }
        if (sequence !== undefined || changeDate !== undefined) {
          grant.change = { sequence, changeDate };
        }
      }
      this.#open.delete(answer);
    } else if ("status" in entry) {
      const grant = this.#known(entry.grantId);
      grant.status = entry.status;
      grant.at = this.#sameTime(entry.at);
      if (entry.error || entry.answerLost || grant.details) {
        grant.details = entry.error || entry.answerLost ? entry : undefined;
      }
    } else if ("restored" in entry) {
      const grant = this.#known(entry.grantId);
      grant.restored = entry;
      // What a restore has brought back is no longer for a repair to deactivate.
      grant.mayBeActive &&= entry.restored === "failed";
    } else if ("effect" in entry) {
      this.effect = entry;
    } else if ("step" in entry) {
      const grant = this.#known(entry.grantId);
      this.#steps.set(entry.step, entry);
      if (entry.repair && entry.do === "reactivate") {
        grant.mayBeActive = true;
      }
      if (entry.do === "add") {
        const lost = { number: entry.step, atMs: Date.parse(entry.at ?? "") };
        grant.lostAdds = [...(grant.lostAdds ?? []), lost];
      }
    } else if ("stepResponse" in entry) {
      const { stepResponse, ok, newGrantId, sequence, changeDate } = entry;
      const step = this.#steps.get(stepResponse);
      this.#steps.delete(stepResponse);
      if (step?.do === "add") {
        const grant = this.#known(step.grantId);
        grant.lostAdds = grant.lostAdds?.filter(({ number }) => number !== stepResponse);
        grant.newGrantId = newGrantId ?? grant.newGrantId;
      }
      if (step?.repair && step.do === "deactivate" && ok) {
        const grant = this.#known(step.grantId);
        grant.mayBeActive = false;
        // ZITADEL v2.70 does not date what was inactive already.
        if (sequence !== undefined || changeDate !== undefined) {
          grant.change = { sequence, changeDate };
        }
      }
    } else if (!("log" in entry)) {
      throw new Error("an unknown entry");
    }
  }

  /** Many lines have the same time: it is kept once. */
  #sameTime(at: string | undefined): string | undefined {
    this.#time = at === this.#time ? this.#time : at;
    return this.#time;
  }

  #known(grantId: string): GrantInLog {
    const grant = this.#byId.get(grantId);
    if (grant === undefined) {
      throw new Error(`grant ${grantId} is not in the list`);
    }
    return grant;
  }
}

/** The grants of a log as they were recorded before the run, in order. */
export async function* loggedGrants(path: string): AsyncGenerator<LoggedGrant> {
  for await (const { lines } of completeLines(path)) {
    for (const text of lines) {
      if (text.startsWith('{"grants":')) {
        yield* grantsIn(JSON.parse(text));
      }
    }
  }
}

function grantsIn(entry: Entry): readonly LoggedGrant[] {
  return "grants" in entry
    ? entry.grants.map((grant) => (typeof grant === "string" ? { grantId: grant } : grant))
    : [];
}

/** How a grant must be found; "missing" if the run has not found it: nothing is known of it. */
export type FoundState = "gone" | "missing" | "active" | "inactive";

/**
 * What must be true if a log is right about a grant: of the grant itself, or of the one that a restore has added in
 * its place. The state is undefined if the log is not certain.
 */
function expectationOf(
  grant: GrantInLog,
  command: LoggedCommand,
): { readonly grantId: string; readonly state: FoundState | undefined } {
  const { grantId, restored, newGrantId } = grant;
  if (isHalfRestored(grant)) {
    return { grantId: restored?.newGrantId ?? newGrantId ?? grantId, state: undefined };
  }
  if (restored !== undefined && restored.restored !== "failed") {
    return { grantId: restored.newGrantId ?? grantId, state: restored.state };
  }
  const { status, confirmed, details, mayBeActive } = grant;
  const done = confirmed ? (command === "remove" ? "gone" : "inactive") : undefined;
  const after = stateAfter({ status, answerLost: details?.answerLost });
  return { grantId, state: mayBeActive ? undefined : (after ?? done) };
}

/** Whether a restore may have added a grant in its place, and has not brought it to the state of before. */
export function isHalfRestored({ restored, newGrantId, lostAdds = [] }: GrantInLog): boolean {
  return restored === undefined || restored.restored === "failed"
    ? newGrantId !== undefined || lostAdds.length > 0
    : restored.restored === "left-active";
}

const statesAfter: Readonly<Record<string, FoundState>> = {
  removed: "gone",
  "not-found": "missing",
  deactivated: "inactive",
  "already-inactive": "inactive",
};

/** How a grant must be found after an outcome; undefined after a failure. */
export function stateAfter({
  status,
  answerLost,
}: Pick<LoggedOutcome, "status" | "answerLost">): FoundState | undefined {
  // An attempt whose response was lost may have removed it.
  return status === "not-found" && answerLost ? "gone" : statesAfter[status];
}

/** "Jane Doe (4711)" */
export function named(name: string | undefined, id: string): string {
  return name === undefined || name === "" ? id : `${name} (${id})`;
}

const longestLineBytes = 1 << 24;

/**
 * The complete lines of a file, as many at a time as were read, and how many bytes they and all before them
 * take. Text after the last line break is omitted. The process hears Ctrl-C between two reads.
 *
 * @throws UsageError when it cannot be read or is no log that this version reads, or has a line of more than 16 MiB.
 */
async function* completeLines(
  path: string,
): AsyncGenerator<{ readonly lines: readonly string[]; readonly end: number }> {
  let rest = Buffer.alloc(0);
  let end = 0;
  try {
    // Opening a pipe would wait for its writer.
    const status = statSync(path);
    if (!status.isFile()) {
      throw new Error(
        `it is ${status.isDirectory() ? "a directory" : "a device or a pipe"}, and no file`,
      );
    }
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      const bytes = Buffer.concat([rest, chunk]);
      const length = bytes.lastIndexOf("\n") + 1;
      rest = bytes.subarray(length);
      if (rest.length > longestLineBytes) {
        throw notALog(path);
      }
      if (length > 0) {
        const text = bytes.toString("utf8", 0, length - 1);
        // Editors of Windows put a byte order mark first.
        const lines = (end === 0 ? text.replace(/^\ufeff/, "") : text).split("\n");
        if (end === 0) {
          checkFormat(lines[0] ?? "", path);
        }
        end += length;
        yield { lines, end };
      }
    }
  } catch (error) {
    throw error instanceof UsageError
      ? error
      : new UsageError(`${path} cannot be read: ${fileProblem(error)}.`);
  }
}

/** @throws UsageError unless this is the first line of a log that this version reads. */
function checkFormat(text: string, path: string): void {
  let first: Partial<typeof logFormat> | null = null;
  try {
    first = JSON.parse(text);
  } catch {
    // Not a log.
  }
  if (first?.log !== logFormat.log) {
    throw notALog(path);
  }
  if (first.version !== logFormat.version) {
    throw new UsageError(
      `${path} was written by a newer version of zitadel-user-grants (log version ${first.version}, and this one reads ${logFormat.version}). Update the tool.`,
    );
  }
}

function notALog(path: string): UsageError {
  return new UsageError(`${path} is not a log of zitadel-user-grants. It was not changed.`);
}
