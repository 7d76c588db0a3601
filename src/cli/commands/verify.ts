import { introduce } from "../account.js";
import { connectionGroup } from "../connect.js";
import { defineCommand, type FlagTable } from "../flags.js";
import { contradicts, type Look, look, type Seen } from "../grants/effect.js";
import { exitCode, line } from "../io.js";
import { withLog } from "../log/open.js";
import { expectationOf, type FoundState, isHalfRestored, type LogContent } from "../log/read.js";
import { rateFlags, readRate } from "../pace.js";
import { createReport } from "../progress.js";
import { grouped, printable, quoted } from "../terminal.js";
import { type Context, inContext } from "./revoke/context.js";
import { adviseOnOthers, logEffect } from "./revoke/effect.js";
import { finishRepairs, repair } from "./revoke/repair.js";

const verifyFlags = {
  repair: {
    type: "boolean",
    help: "deactivate again what ZITADEL does not show",
  },
  json: { type: "boolean", help: "what was found as JSON Lines" },
  quiet: { type: "boolean", short: "q", help: "print only what is not as the run reported" },
  ...rateFlags,
} as const satisfies FlagTable;

/** The command `verify`. */
export const verify = defineCommand({
  name: "verify",
  summary: "check whether the access of a run's grants has ended",
  arguments: "<log>",
  description:
    "Reads what ZITADEL shows of each grant of a log, from which it builds tokens as well: whether it gives roles, and whether that agrees with the run. What does not is read again for ten seconds, and longer as long as it moves. Changes nothing without --repair.",
  examples: ["zitadel-user-grants verify run.jsonl"],
  groups: [{ title: "What happens", flags: verifyFlags }, connectionGroup],
  async run(flags, args, io) {
    const changes = flags.repair ?? false;
    return await withLog("verify", args, { flags, changes, io }, async (opened) => {
      const { connection, identity, content } = opened;
      const { json = false, quiet = false } = flags;
      if (!quiet) {
        const grants = `${grouped(content.grants.length)} of a run to ${content.head.command}`;
        introduce(connection, identity, { Log: content.path, Grants: grants }, io);
      }
      const rate = readRate(flags.rate, connection.baseUrl);
      const options = { log: changes ? opened.append("run") : undefined, rate, quiet, io };
      return await inContext(opened, options, (context) => verifyLog(content, context, json));
    });
  },
});

async function verifyLog(content: LogContent, context: Context, json: boolean): Promise<number> {
  const { log, stopSwitch, quiet, io } = context;
  const { path, head, grants } = content;
  const isFinished = log === undefined || (await finishRepairs(content, context));
  const expected = new Map(
    grants.map((grant) => {
      const { grantId, state } = expectationOf(grant, head.command);
      return [grantId, state] as const;
    }),
  );
  const options = { json, quiet, onlyProblems: quiet || undefined };
  const report = createReport(grants.length, options, io);
  const seen = await look(expected, context, (grantId, record) => {
    const userId = content.find(grantId)?.userId;
    const finding = findingOf(grantId, userId, expected.get(grantId), record);
    const status = `${finding.verdict} ${finding.shows}`;
    report.add({ grantId, status }, finding, lineOf(finding), verdicts[finding.verdict].problem);
  });
  const { counts } = report.end();
  if (seen === undefined) {
    return stopSwitch.interrupted ? exitCode.stopped : exitCode.aborted;
  }
  for (const text of summaryOf(counts, quiet)) {
    line(io.stderr, text);
  }
  logEffect(seen, context);
  const isDecided = isFinished && ![...expected.values()].includes(undefined);
  // Nothing reactivates a grant that was removed.
  if (log !== undefined && head.command === "deactivate" && seen.others.size > 0) {
    const isRepaired = await repair([...seen.others.values()], seen.looked, path, context);
    return isRepaired && isDecided ? exitCode.done : exitCode.incomplete;
  }
  adviseOn(seen, content, context);
  return seen.others.size === 0 && isDecided ? exitCode.done : exitCode.incomplete;
}

const verdicts = {
  confirmed: { text: "as reported", problem: undefined },
  // It gives no roles either.
  "not-shown": { text: "deactivated, and not shown", problem: "warn" },
  contradicted: { text: "NOT as reported", problem: "failed" },
  undecided: { text: "the run did not decide it", problem: "warn" },
} as const;
const effects = {
  active: "gives roles",
  inactive: "gives none: inactive",
  none: "gives none: not shown",
  unknown: "unknown",
} as const;

/** The result for a grant of a log. */
interface Finding {
  readonly grantId: string;
  readonly userId?: string;
  readonly shows: keyof typeof effects;
  /** What the run reported; not given if that is not certain. */
  readonly expected?: keyof typeof effects;
  readonly verdict: keyof typeof verdicts;
}

function findingOf(
  grantId: string,
  userId: string | undefined,
  state: FoundState | undefined,
  record: Seen,
): Finding {
  return {
    ...{ grantId, ...(userId && { userId }) },
    ...(state && { expected: state === "gone" ? "none" : state }),
    shows: record?.state ?? "none",
    verdict: verdictOf(state, record),
  };
}

function verdictOf(state: FoundState | undefined, record: Seen): Finding["verdict"] {
  if (state === undefined) {
    return "undecided";
  }
  if (contradicts(state, record)) {
    return "contradicted";
  }
  return state === "inactive" && record === undefined ? "not-shown" : "confirmed";
}

/** Columns between tabs. */
function lineOf({ grantId, shows, verdict, expected }: Finding): string {
  const said = verdict === "contradicted" && expected ? ` (expected: ${effects[expected]})` : "";
  return [grantId, effects[shows], `${verdicts[verdict].text}${said}`].join("\t");
}

/** @param counts of verdicts and what is shown. */
function summaryOf(counts: Readonly<Record<string, number>>, quiet: boolean): string[] {
  return Object.entries(verdicts).flatMap(([verdict, { text }]) => {
    const shown = Object.entries(effects).flatMap(([shows, effect]) => {
      const count = counts[`${verdict} ${shows}`] ?? 0;
      return count === 0 ? [] : [`${grouped(count)} ${text} (${effect})`];
    });
    return quiet && verdict === "confirmed" ? [] : shown;
  });
}

/** What to do about what is not as reported; and what "not shown" means where the run has not found it either. */
function adviseOn(seen: Look, { path, grants, head }: LogContent, context: Context): void {
  const { stderr } = context.io;
  for (const grant of grants) {
    const [what, finish] = grant.mayBeActive
      ? ["repair", "verify --repair"]
      : isHalfRestored(grant)
        ? ["restore", "restore"]
        : [];
    if (what !== undefined) {
      const text = `A ${what} of ${printable(grant.grantId)} was not finished: it may be active.`;
      line(stderr, `${text} Finish it: zitadel-user-grants ${finish} ${quoted(path)}`);
    }
  }
  adviseOnOthers(seen, head.command, path, context);
  const missing = grants.filter(
    ({ status, details }) => status === "not-found" && !details?.answerLost,
  ).length;
  if (missing > 0) {
    line(
      stderr,
      `${missing} ${missing === 1 ? "was" : "were"} not found by the run: gone before, never there, or of another organization, which looks the same from here.`,
    );
  }
}
