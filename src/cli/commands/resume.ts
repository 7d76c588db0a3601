import { introduce } from "../account.js";
import { connectionGroup } from "../connect.js";
import { defineCommand } from "../flags.js";
import { UsageError } from "../io.js";
import { withLog } from "../log/open.js";
import type { GrantInLog, LogContent } from "../log/read.js";
import { rateShown } from "../pace.js";
import { checkCanAsk, confirm, grouped, quoted } from "../terminal.js";
import { carryOut, type Plan } from "./revoke/carry-out.js";
import { inContext } from "./revoke/context.js";
import { resumeFlags } from "./revoke/flags.js";

/** The command `resume`. */
export const resume = defineCommand({
  name: "resume",
  summary: "continue a run from its log",
  arguments: "<log>",
  description:
    "Continues a run that was stopped, aborted or killed. The log knows instance, organization and grants, so only the credentials are needed; it keeps the rate. Decided grants are kept; failed ones are retried.",
  examples: ["zitadel-user-grants resume run.jsonl"],
  groups: [{ title: "What happens", flags: resumeFlags }, connectionGroup],
  async run(flags, args, io) {
    checkCanAsk(flags, io);
    return await withLog("resume", args, { flags, changes: true, io }, async (opened) => {
      const { identity, content, rate } = opened;
      const { path } = content;
      if (content.sessions.some(({ what }) => what === "restored")) {
        throw new UsageError(
          `Nothing was done: that run has been restored, at least in part. Start another run, or continue the restore: zitadel-user-grants restore ${quoted(path)}`,
        );
      }
      const plan = resumedPlan(content);
      const { total } = plan;
      const left = plan.open.length;
      if (!flags.quiet) {
        const grants = `${grouped(left)} to ${plan.command}; ${grouped(total - left)} of ${grouped(total)} are decided`;
        introduce(identity, { Log: path, Grants: grants, ...rateShown(rate) }, io);
      }
      if (left > 0) {
        await confirm(plan.command, left, flags, io);
      }
      const options = { ...opened, log: opened.append("resumed"), quiet: flags.quiet, io };
      return await inContext(options, (context) => carryOut(plan, flags, context));
    });
  },
});

/** The rest of a run. A failure is not a decision: its cause may be gone. */
function resumedPlan(content: LogContent): Plan {
  const { head } = content;
  const grants = [...content.grants.values()];
  const left = grants.filter(({ status }) => status === "" || status === "failed");
  const doubtful = content.inDoubt();
  const isLater = (grant: GrantInLog) => Number(!doubtful.has(grant.grantId));
  return {
    command: head.command,
    total: grants.length,
    open: left.toSorted((a, b) => isLater(a) - isLater(b)),
    selectors: head.selectors,
    earlier: content,
  };
}
