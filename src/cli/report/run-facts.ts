import type { LogContent } from "../log/content.js";

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
