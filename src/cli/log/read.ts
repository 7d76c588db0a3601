import { createReadStream, statSync } from "node:fs";
import { fileProblem, UsageError } from "../io.js";
import {
  type Change,
  doneStatus,
  type Effect,
  type Entry,
  type LoggedGrant,
  type LoggedOutcome,
  type LogHead,
  logFormat,
  type RestoreOutcome,
  readEntry,
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
  /** The last recorded status, and that of a response with OK without one; "" if there is none. */
  status: string;
  /** When it was decided. */
  at: string | undefined;
  /** The last outcome, if it has more than a status. */
  details: LoggedOutcome | undefined;
  /** ZITADEL's id of the request that decided it. */
  requestId?: string;
  /** What the server said about its last deactivation, by the run or by a repair. */
  change?: Change;
  /** Whether a repair may have left it active: it was reactivated, and not deactivated since. */
  mayBeActive?: boolean;
  restored?: RestoreOutcome;
  /** The grant that a restore has added in its place. */
  newGrantId?: string | undefined;
  /** Attempts of restores to add it whose responses are unknown. */
  lostAdds?: readonly StepEntry[] | undefined;
}

/** What a log records about its run, its repairs and its restores. */
export class LogContent {
  readonly path: string;
  /** In the order of the log, each once. */
  readonly grants = new Map<string, GrantInLog>();
  readonly sessions: Session[] = [];
  /** The last look at what ZITADEL shows. */
  effect: { readonly effect: Effect; readonly at?: string } | undefined;
  /** The length of the complete lines, in bytes. */
  wholeBytes = 0;
  /** The grants of each request without a response. */
  readonly #open = new Map<string, readonly GrantInLog[]>();
  readonly #steps = new Map<string, StepEntry>();
  #head: LogHead | undefined;

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
          if (number === 1) {
            checkFormat(text, path);
          } else {
            content.#add(readEntry(text));
          }
        }
        content.wholeBytes = end;
      }
    } catch (error) {
      if (error instanceof UsageError) {
        throw error;
      }
      const damage = `${path} is damaged: line ${number} cannot be read. It was not changed.`;
      throw number === 1 ? notALog(path) : new UsageError(damage);
    }
    if (number === 0) {
      throw notALog(path);
    }
    return content;
  }

  /** What the run does, and who began it. @throws UsageError where no run has begun. */
  get head(): LogHead {
    if (this.#head === undefined) {
      throw notALog(this.path);
    }
    return this.#head;
  }

  /** The ids of requests without a response. */
  inDoubt(): ReadonlySet<string> {
    return new Set([...this.#open.values()].flat().map(({ grantId }) => grantId));
  }

  /** How many grants have each status. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { status } of this.grants.values()) {
      counts[status] = (counts[status] ?? 0) + 1;
    }
    return counts;
  }

  /** How each grant must be found if the log is right. */
  expectations(): Map<string, FoundState | undefined> {
    const expected = new Map<string, FoundState | undefined>();
    for (const grant of this.grants.values()) {
      const { grantId, restored, newGrantId } = grant;
      expected.set(restored?.newGrantId ?? newGrantId ?? grantId, expectationOf(grant));
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
      for (const { grantId, userId = "" } of entry.grants) {
        if (!this.grants.has(grantId)) {
          this.grants.set(grantId, {
            grantId,
            userId,
            status: "",
            at: undefined,
            details: undefined,
          });
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
      const { answer, ok, requestId, sequence, changeDate, at } = entry;
      const grants = this.#open.get(answer) ?? [];
      for (const grant of grants) {
        if (ok) {
          grant.status = doneStatus[this.head.command];
          grant.details = undefined;
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
      if (entry.status === "failed" && grant.status === doneStatus[this.head.command]) {
        // The response that was waited for in vain has come.
        return;
      }
      grant.status = entry.status;
      grant.at = entry.at;
      grant.details = entry.error || entry.answerLost ? entry : undefined;
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
      if (entry.do === "reactivate" && this.sessions.at(-1)?.what !== "restored") {
        // A repair: it is to be deactivated again.
        grant.mayBeActive = true;
      }
      if (entry.do === "add") {
        grant.lostAdds = [...(grant.lostAdds ?? []), entry];
      }
    } else if ("stepResponse" in entry) {
      const { stepResponse, ok, newGrantId, sequence, changeDate } = entry;
      const sent = this.#steps.get(stepResponse);
      const grant = sent && this.#known(sent.grantId);
      this.#steps.delete(stepResponse);
      if (sent?.do === "add" && grant !== undefined) {
        grant.lostAdds = grant.lostAdds?.filter(({ step }) => step !== stepResponse);
        grant.newGrantId = newGrantId ?? grant.newGrantId;
      }
      if (sent?.do === "deactivate" && ok && grant !== undefined) {
        grant.mayBeActive = false;
        // ZITADEL v2.70 does not date what was inactive already.
        if (sequence !== undefined || changeDate !== undefined) {
          grant.change = { sequence, changeDate };
        }
      }
    } else {
      throw new Error("an unknown entry");
    }
  }

  #known(grantId: string): GrantInLog {
    const grant = this.grants.get(grantId);
    if (grant === undefined) {
      throw new Error(`grant ${grantId} is not in the list`);
    }
    return grant;
  }
}

/** The grants of a log as they were recorded before the run, in order. */
export async function* loggedGrants(path: string): AsyncGenerator<LoggedGrant> {
  for await (const { lines } of completeLines(path)) {
    for (const text of lines.filter((line) => line.startsWith('{"grants":'))) {
      const entry = readEntry(text);
      yield* "grants" in entry ? entry.grants : [];
    }
  }
}

/** How a grant must be found; "missing" if the run has not found it: nothing is known of it. */
export type FoundState = "gone" | "missing" | "active" | "inactive";

/**
 * What must be true if a log is right about a grant: of the grant itself, or of the one in its place. Undefined if
 * the log is not certain.
 */
function expectationOf(grant: GrantInLog): FoundState | undefined {
  const { status, details, mayBeActive, restored } = grant;
  if (mayBeActive || isHalfRestored(grant)) {
    return undefined;
  }
  return restored === undefined || restored.restored === "failed"
    ? stateAfter({ status, answerLost: details?.answerLost })
    : restored.state;
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
 * @throws UsageError when it cannot be read, or has a line of more than 16 MiB.
 */
async function* completeLines(
  path: string,
): AsyncGenerator<{ readonly lines: readonly string[]; readonly end: number }> {
  let rest = Buffer.alloc(0);
  let end = 0;
  try {
    // Opening a pipe would wait for its writer.
    if (!statSync(path).isFile()) {
      throw new Error("it is not a file");
    }
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
      const bytes = Buffer.concat([rest, chunk]);
      const length = bytes.lastIndexOf("\n") + 1;
      rest = bytes.subarray(length);
      if (rest.length > longestLineBytes) {
        throw notALog(path);
      }
      if (length > 0) {
        end += length;
        yield { lines: bytes.toString("utf8", 0, length - 1).split("\n"), end };
      }
    }
  } catch (error) {
    throw error instanceof UsageError
      ? error
      : new UsageError(`${path} cannot be read: ${fileProblem(error)}.`);
  }
}

/** @throws unless this is the first line of a log that this version reads. */
function checkFormat(text: string, path: string): void {
  // Editors of Windows put a byte order mark first.
  const { log, version } = JSON.parse(text.replace(/^\ufeff/, ""));
  if (log !== logFormat.log) {
    throw notALog(path);
  }
  if (version !== logFormat.version) {
    throw new UsageError(
      `${path} was written by a newer version of zitadel-user-grants (log version ${version}, and this one reads ${logFormat.version}). Update the tool.`,
    );
  }
}

function notALog(path: string): UsageError {
  return new UsageError(`${path} is not a log of zitadel-user-grants. It was not changed.`);
}
