import { Code } from "@connectrpc/connect";
import type { LoggedGrant, LoggedOutcome } from "../../log/entry.js";
import { type GrantInLog, type LogContent, loggedGrants, named } from "../../log/read.js";
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
  /** What ZITADEL showed after the run, where that is not what the run was for. */
  readonly effect: string;
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
export async function* reportRows(content: LogContent): AsyncGenerator<ReportRow> {
  const withoutResponse = new Set(content.withoutResponse().flat());
  const shown = new Map(
    content.effect?.effect.others.map(({ grantId, shows }) => [grantId, shows]) ?? [],
  );
  for await (const logged of loggedGrants(content.path, "report")) {
    const grant = content.find(logged.grantId);
    if (grant === undefined) {
      continue;
    }
    const { recorded } = logged;
    const { details, restored } = grant;
    yield {
      ...namesOf(logged),
      projectId: recorded?.projectId ?? "",
      projectGrantId: recorded?.projectGrantId ?? "",
      roleKeys: recorded?.roleKeys ?? [],
      stateBefore: recorded?.state ?? "",
      outcome: outcomeOf(content, grant, withoutResponse),
      at: grant.at ?? "",
      reason: [reasonOf(details?.error), ...(details?.answerLost ? ["a response was lost"] : [])]
        .filter((text) => text !== "")
        .join("; "),
      requestId: details?.error?.requestId ?? grant.requestId ?? "",
      effect: grant.mayBeActive
        ? "a repair has not ended: it may be active"
        : (shown.get(grant.grantId) ?? ""),
      restored: [restored?.restored ?? "", reasonOf(restored?.error)].filter(Boolean).join(": "),
      newGrantId: restored?.newGrantId ?? "",
      restoredAt: restored?.at ?? "",
      isRecorded: recorded !== undefined,
    };
  }
}

/** What a log does not tell must not look like a grant without a project. */
export function unrecordedText(unrecorded: number, total: number): string {
  return `Project and roles are not known for ${grouped(unrecorded)} of ${counted(total, "grant")}: they were not looked up before the run, or not found.`;
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
  grant: GrantInLog,
  withoutResponse: ReadonlySet<GrantInLog>,
): string {
  const { status, confirmed } = grant;
  if (confirmed && (status === "" || status === "failed")) {
    return content.head.command === "remove" ? "removed" : "deactivated";
  }
  return status || (withoutResponse.has(grant) ? inDoubt : undecided);
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
  /** What ZITADEL showed after the run; "" if nobody has looked. */
  readonly effect: string;
  /** Each start, resumption and restore, in order. */
  readonly sessions: readonly {
    readonly what: string;
    readonly account: string;
    readonly at: string;
    readonly end: string;
  }[];
}

export function runFacts({ head, sessions, restores, effect }: LogContent): RunFacts {
  const runs = sessions.map(({ at, head: { accountId, accountName }, ended }, index) => ({
    what: index === 0 ? "started" : "resumed",
    account: named(accountName, accountId),
    at,
    end: ended === undefined ? "" : `${ended.at} (${ended.because})`,
  }));
  const undone = restores.map(({ at, account, ended }) => ({
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
    effect:
      effect === undefined
        ? ""
        : `${grouped(effect.effect.inEffect)} of ${counted(effect.effect.looked, "grant")} in effect, seen at ${effect.at}`,
    sessions: [...runs, ...undone],
  };
}
