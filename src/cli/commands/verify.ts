import { introduce } from "../account.js";
import { connectionGroup } from "../connect.js";
import { defineCommand, type FlagTable } from "../flags.js";
import { contradicts, look, type Seen } from "../grants/effect.js";
import { exitCode, line } from "../io.js";
import { withLog } from "../log/open.js";
import { type FoundState, isHalfRestored, type LogContent } from "../log/read.js";
import { rateFlags } from "../pace.js";
import { createReport } from "../progress.js";
import { grouped, printable, quoted } from "../terminal.js";
import { type Context, inContext } from "./revoke/context.js";
import { explainMissing, settle } from "./revoke/effect.js";
import { finishRepairs } from "./revoke/repair.js";

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
      const { identity, content } = opened;
      const { json = false, quiet = false } = flags;
      if (!quiet) {
        const grants = `${grouped(content.grants.size)} of a run to ${content.head.command}`;
        introduce(identity, { Log: content.path, Grants: grants }, io);
      }
      const log = changes ? opened.append("resumed") : undefined;
      return await inContext({ ...opened, log, quiet, io }, (context) =>
        verifyLog(content, context, json),
      );
    });
  },
});

async function verifyLog(content: LogContent, context: Context, json: boolean): Promise<number> {
  const { log, stopSwitch, quiet, io } = context;
  const { path, head, grants } = content;
  const repairs = log !== undefined;
  const isFinished = !repairs || (await finishRepairs(content, context));
  const expected = content.expectations();
  const options = { json, quiet, onlyProblems: quiet || undefined };
  const report = createReport(grants.size, options, io);
  const seen = await look(expected, context, (grantId, record) => {
    const state = expected.get(grantId);
    const verdict = verdictOf(state, record);
    const { text, problem } = verdicts[verdict];
    const shows = record?.state ?? "none";
    const wanted = state && effectOf[state];
    const finding = {
      ...{ grantId, userId: grants.get(grantId)?.userId || undefined },
      ...{ expected: wanted, shows, verdict },
    };
    const not = verdict === "contradicted" && wanted ? ` (expected: ${effects[wanted]})` : "";
    // Columns between tabs.
    const shown = [grantId, effects[shows], `${text}${not}`].join("\t");
    report.add({ grantId, status: `${verdict} ${shows}` }, finding, shown, problem);
  });
  const { counts } = report.end();
  if (seen === undefined) {
    return stopSwitch.interrupted ? exitCode.stopped : exitCode.aborted;
  }
  for (const text of summaryOf(counts, quiet)) {
    line(io.stderr, text);
  }
  explainMissing(expected, context);
  explainUnfinished(content, context);
  const isDecided = isFinished && ![...expected.values()].includes(undefined);
  const isRestored = content.sessions.some(({ what }) => what === "restored");
  const command = isRestored ? "restore" : head.command;
  const isInEffect = await settle(seen, { command, path, repairs }, context);
  return isInEffect && isDecided ? exitCode.done : exitCode.incomplete;
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
/** What must be shown of a grant. */
const effectOf = { active: "active", inactive: "inactive", gone: "none", missing: "none" } as const;

function verdictOf(state: FoundState | undefined, record: Seen): keyof typeof verdicts {
  if (state === undefined) {
    return "undecided";
  }
  if (contradicts(state, record)) {
    return "contradicted";
  }
  return state === "inactive" && record === undefined ? "not-shown" : "confirmed";
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

/** Says what an interrupted repair or restore may have left active, and how to finish it. */
function explainUnfinished({ path, grants }: LogContent, { io }: Context): void {
  for (const grant of grants.values()) {
    const [what, finish] = grant.mayBeActive
      ? ["repair", "verify --repair"]
      : isHalfRestored(grant)
        ? ["restore", "restore"]
        : [];
    if (what !== undefined) {
      const text = `A ${what} of ${printable(grant.grantId)} was not finished: it may be active.`;
      line(io.stderr, `${text} Finish it: zitadel-user-grants ${finish} ${quoted(path)}`);
    }
  }
}
