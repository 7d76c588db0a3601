import { type Generation, type SandboxServer, startSandbox } from "../../sandbox/index.js";
import type { Command, FlagTable } from "../command.js";
import { noArguments, parseFlags } from "../flags.js";
import { exitCode, type Io, UsageError } from "../io.js";

const flags = {
  port: { type: "string", value: "<0 to 65535>", help: "the port on this machine" },
  generation: {
    type: "string",
    value: "<v4|v2.70>",
    help: "which ZITADEL it is like; v4 by default",
  },
} as const satisfies FlagTable;

/** The command `sandbox`: starts a sandbox, says how to try it, and ends it when it is interrupted. */
export const sandbox: Command = {
  name: "sandbox",
  summary: "start a sandbox: a local server that behaves like ZITADEL",
  description: "Starts a sandbox on this machine, and prints how to use it. Ctrl-C ends it.",
  groups: [{ title: "Options", flags }],
  run: runSandbox,
};

async function runSandbox(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  noArguments("sandbox", positionals);
  let sandbox: SandboxServer;
  try {
    sandbox = await startSandbox({
      port: values.port === undefined ? undefined : Number(values.port),
      // Anything else is rejected by the sandbox itself.
      generation: values.generation as Generation | undefined,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof TypeError) {
      throw new UsageError(message);
    }
    if (code !== undefined) {
      io.stderr.write(`${message}\n`);
      return exitCode.refused;
    }
    throw error;
  }
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  const stopListening = io.onInterrupt(resolve);
  io.stdout.write(introduction(sandbox));
  await interrupted;
  stopListening();
  await sandbox.close();
  return exitCode.done;
}

/** Lines to copy into a shell. Everything in them is good for this sandbox only, and gone with it. */
function introduction(sandbox: SandboxServer): string {
  const viewer = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] });
  const [first, second, third] = [sandbox.addGrant(), sandbox.addGrant(), sandbox.addGrant()];
  const lines = [
    `# A stand-in for ZITADEL, until you press Ctrl+C. Copy these lines into another shell:`,
    `export ZITADEL_URL=${sandbox.baseUrl}`,
    `export ZITADEL_TOKEN=${sandbox.token}`,
    `export ZITADEL_ORG_ID=${sandbox.orgId}`,
    `# A token that may read and not write: No matching permissions found (AUTH-5mWD2)`,
    `export ZITADEL_VIEWER_TOKEN=${viewer.token}`,
    `# Grants to deactivate, by user`,
    `export USER_ID=${first.userId} GRANT_ID=${first.grantId}`,
    `export USER_ID_2=${second.userId} GRANT_ID_2=${second.grantId}`,
    `export USER_ID_3=${third.userId} GRANT_ID_3=${third.grantId}`,
    `# Who am I`,
    `curl -H "authorization: Bearer $ZITADEL_TOKEN" $ZITADEL_URL/oidc/v1/userinfo`,
    `# Deactivate a grant`,
    `curl -X POST -H "authorization: Bearer $ZITADEL_TOKEN" $ZITADEL_URL/management/v1/users/$USER_ID/grants/$GRANT_ID/_deactivate`,
  ];
  return `${lines.join("\n")}\n`;
}
