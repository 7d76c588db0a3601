import { platform } from "../../common/environment.js";
import type { Command, FlagTable } from "../command.js";
import { connectionFlags, connectionNote } from "../connection.js";
import { explain } from "../explain.js";
import { parseFlags, wholeNumber } from "../flags.js";
import { exitCode, line } from "../io.js";
import { connectToLog, logPathOf } from "../log/connect.js";
import type { LogContent } from "../log/content.js";
import { createLookup } from "../lookup.js";
import { counted } from "../printable.js";
import { createProgress } from "../progress.js";
import { lookupTurns, rateFlags, readRate } from "../rate.js";
import { createResultLines, reasonsOf } from "../results.js";
import { createStopSwitch } from "../stop-switch.js";
import { type Finding, verifyLog } from "../verify.js";

const verifyFlags = {
  log: { type: "string", value: "<path>", file: true, help: "the log of the run" },
  concurrency: { type: "string", value: "<n>", help: "requests at a time (8)" },
  ...rateFlags,
  json: { type: "boolean", help: "what was found as JSON Lines" },
} as const satisfies FlagTable;

/** The command `verify`. */
export const verify: Command = {
  name: "verify",
  summary: "check that grants have the state that the log of a run reports",
  arguments: "<log>",
  description:
    "Reads each grant of a log again, and reports whether it is gone, inactive or active, and whether that agrees with the run. Changes nothing. A long log is compared with a search through the whole organization, if that is faster and the account may read all grants; grants that do not agree are looked up. A contradiction is read again for up to 10 seconds, since ZITADEL's searches lag behind changes.",
  examples: ["zitadel-user-grants verify --log run.jsonl"],
  groups: [
    { title: "What happens", flags: verifyFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  notes:
    "Exit codes: 0 every grant is as the run reported; 1 wrong usage; 2 some are not, or could not be looked up; 3 stopped early; 4 aborted: connection, authentication or permission failure.",
  async run(args, io) {
    const { values: flags, positionals } = parseFlags(args, { ...verifyFlags, ...connectionFlags });
    const path = logPathOf("verify", flags.log, positionals);
    const concurrency = wholeNumber("concurrency", flags.concurrency, 1000) ?? 8;
    const opened = await connectToLog(path, "verify", flags, io);
    if (opened === undefined) {
      return exitCode.aborted;
    }
    const { content, connection } = opened;
    const stopSwitch = createStopSwitch(io);
    const progress = createProgress(io.stderr, content.grants.size, platform.monotonicMs);
    const lines = createResultLines(io);
    const counts = new Map<string, number>();
    try {
      const { done, counts: verdicts } = await verifyLog(
        content,
        createLookup(connection, {
          signal: stopSwitch.signal,
          turn: lookupTurns(readRate(flags.rate, connection.baseUrl)),
        }),
        {
          concurrency,
          stopped: () => stopSwitch.stopped,
          onProgress: progress.update,
          onSearch: (total) =>
            line(
              io.stderr,
              `Reading all ${counted(total, "grant")} of the organization: quicker than to look up each of the run.`,
            ),
          async onFinding(finding) {
            const key = `${finding.verdict} ${finding.found}`;
            counts.set(key, (counts.get(key) ?? 0) + 1);
            if (io.stdout.isTTY && !flags.json && finding.verdict === "confirmed") {
              return;
            }
            lines.add(flags.json ? JSON.stringify(finding) : findingLine(finding));
            const taken = lines.taken();
            if (taken !== undefined) {
              // Findings come faster than a reader takes them.
              await Promise.race([taken, stopSwitch.whenStopped]);
            }
          },
        },
      );
      progress.end();
      lines.end();
      for (const text of [...summaryOf(counts), ...notFoundNote(content)]) {
        line(io.stderr, text);
      }
      if (done < content.grants.size) {
        line(io.stderr, `Stopped: ${content.grants.size - done} were not looked up.`);
        return exitCode.stopped;
      }
      return (verdicts.contradicted ?? 0) + (verdicts.unverified ?? 0) > 0
        ? exitCode.incomplete
        : exitCode.done;
    } catch (error) {
      progress.end();
      line(io.stderr, `Aborted: ${explain(error)}`);
      return stopSwitch.interrupted ? exitCode.stopped : exitCode.aborted;
    } finally {
      stopSwitch.end();
    }
  },
};

const verdicts: Readonly<Record<Finding["verdict"], string>> = {
  confirmed: "as reported",
  contradicted: "NOT as reported",
  undecided: "the run did not decide it",
  unverified: "could not be looked up",
};

/** Columns between tabs. */
function findingLine({ grantId, found, verdict, expected, error }: Finding): string {
  const said = verdict === "contradicted" ? ` (${expected})` : "";
  return [grantId, found, `${verdicts[verdict]}${said}`, ...reasonsOf(error)].join("\t");
}

/** What "gone" means for grants that the run did not find either, and cannot have removed. */
function notFoundNote({ grants, states }: LogContent): string[] {
  let count = 0;
  for (let index = 0; index < grants.size; index++) {
    if (states.status(index) === "not-found" && !states.details(index).answerLost) {
      count += 1;
    }
  }
  return count === 0
    ? []
    : [
        `${count} ${count === 1 ? "was" : "were"} not found by the run: gone before, never there, or of another organization, which looks the same from here.`,
      ];
}

function summaryOf(counts: ReadonlyMap<string, number>): string[] {
  return Object.entries(verdicts).flatMap(([verdict, text]) => {
    const found = (["gone", "inactive", "active", "unknown"] as const)
      .map((state) => [counts.get(`${verdict} ${state}`) ?? 0, state] as const)
      .filter(([count]) => count > 0);
    const total = found.reduce((sum, [count]) => sum + count, 0);
    return total === 0
      ? []
      : [
          `${total} ${text}${verdict === "unverified" ? "" : `: ${found.map(([count, state]) => `${count} ${state}`).join(", ")}`}`,
        ];
  });
}
