import { Code } from "@connectrpc/connect";
import type { LoggedGrant, LoggedOutcome } from "../../log/entry.js";
import { type LogContent, loggedGrants } from "../../log/read.js";
import { counted, grouped } from "../../terminal.js";
/** One grant of a run, with everything that its log contains. Missing values are "". */
export interface ReportRow {
  readonly grantId: string;
  readonly userId: string;
  readonly displayName: string;
  readonly email: string;
  readonly userName: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly projectGrantId: string;
  readonly roleKeys: readonly string[];
  readonly stateBefore: string;
  readonly outcome: string;
  /** When that became known, in RFC 3339. */
  readonly at: string;
  readonly reason: string;
  readonly requestId: string;
  readonly restored: string;
  readonly newGrantId: string;
  readonly restoredAt: string;
  /** Whether the log has the project and the roles. */
  readonly isRecorded: boolean;
}

/** Placeholders for outcomes that a log does not contain. */
export const undecided = "not asked for";
export const inDoubt = "response lost";

/** Each grant of a run, in the order of its list. */
export function* reportRows(content: LogContent): Generator<ReportRow> {
  const withoutResponse = new Set(content.withoutResponse().flat());
  for (const grant of loggedGrants(content.path)) {
    const index = content.grants.indexOf(grant.grantId);
    const { states, restore } = content;
    const { error, answerLost } = states.details(index);
    const restored = restore.outcome(index);
    const { recorded } = grant;
    yield {
      ...namesOf(grant),
      projectId: recorded?.projectId ?? "",
      projectGrantId: recorded?.projectGrantId ?? "",
      roleKeys: recorded?.roleKeys ?? [],
      stateBefore: recorded?.state ?? "",
      outcome: outcomeOf(content, index, withoutResponse),
      at: states.at(index) ?? "",
      reason: [reasonOf(error), ...(answerLost ? ["a response was lost"] : [])]
        .filter((text) => text !== "")
        .join("; "),
      requestId: states.requestId(index) ?? "",
      restored: [restored?.restored ?? "", reasonOf(restored?.error)].filter(Boolean).join(": "),
      newGrantId: restored?.newGrantId ?? "",
      restoredAt: restored?.at ?? "",
      isRecorded: recorded !== undefined,
    };
  }
}

/** What a log does not tell must not look like a grant without a project. */
export function unrecordedText(unrecorded: number, total: number): string {
  return `Project and roles are not known for ${grouped(unrecorded)} of ${counted(total, "grant")}: they were not looked up before the run, which --record does, or not found.`;
}

function namesOf({ grantId, userId, displayName, email, userName, projectName }: LoggedGrant) {
  return {
    grantId,
    userId: userId ?? "",
    displayName: displayName ?? "",
    email: email ?? "",
    userName: userName ?? "",
    projectName: projectName ?? "",
  };
}

function outcomeOf(
  content: LogContent,
  index: number,
  withoutResponse: ReadonlySet<number>,
): string {
  const status = content.states.status(index);
  if (content.states.confirmed(index) && (status === "" || status === "failed")) {
    return content.head.command === "remove" ? "removed" : "deactivated";
  }
  return status || (withoutResponse.has(index) ? inDoubt : undecided);
}

function reasonOf(error: LoggedOutcome["error"]): string {
  return error === undefined
    ? ""
    : [Code[error.code], error.id, error.message].filter(Boolean).join(" ");
}

/** Who ran what, where and when. */
export interface RunFacts {
  readonly command: string;
  readonly instance: string;
  readonly organization: string;
  /** Each account that has run it, once. */
  readonly accounts: readonly string[];
  readonly started: string;
  /** When it stopped, "" if unknown: it was killed, or is still running. */
  readonly ended: string;
  /** Each start, resumption and restore, in order. */
  readonly sessions: readonly {
    readonly what: string;
    readonly account: string;
    readonly at: string;
    readonly end: string;
  }[];
}

export function runFacts({ head, sessions, restore }: LogContent): RunFacts {
  const runs = sessions.map(({ at, head: { accountId, accountName }, ended }, index) => ({
    what: index === 0 ? "started" : "resumed",
    account: named(accountName, accountId),
    at,
    end: ended === undefined ? "" : `${ended.at} (${ended.because})`,
  }));
  const restores = restore.sessions.map(({ at, account, ended }) => ({
    ...{ what: "restored", account, at },
    end: ended === undefined ? "" : `${ended.at} (${ended.because})`,
  }));
  return {
    command: head.command,
    instance: head.url,
    organization: head.orgId === null ? "the account's own" : named(head.orgName, head.orgId),
    accounts: [...new Set(runs.map(({ account }) => account))],
    started: sessions[0]?.at ?? "",
    ended: sessions.at(-1)?.ended?.at ?? "",
    sessions: [...runs, ...restores],
  };
}

function named(name: string | undefined, id: string): string {
  return name === undefined ? id : `${name} (${id})`;
}
