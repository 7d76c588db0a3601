import { isLoopback, platform, sleep } from "../../bulk/internal.js";
import {
  type Generation,
  type SandboxRequest,
  type SandboxServer,
  type SandboxServerOptions,
  startSandbox,
} from "../../sandbox/index.js";
import { inFlags } from "../explain.js";
import { defineCommand, type FlagTable, wholeNumber } from "../flags.js";
import { Ended, exitCode, fileProblem, line, UsageError } from "../io.js";
import { jsonText, printable } from "../terminal.js";

const flag = { type: "boolean" } as const;
const valued = { type: "string" } as const;

const flags = {
  port: { ...valued, value: "<number>", help: "8080 by default; 0 takes a free one" },
  host: { ...valued, value: "<address>", help: "the address to listen on; this machine only" },
  cors: { ...valued, multiple: true, value: "<origin>", help: "pages that may call it, or any" },
  generation: { ...valued, values: ["v4", "v2.70"], help: "the version of ZITADEL; v4" },
  token: { ...valued, help: "the token that may do everything; sandbox-token" },
  org: { ...valued, value: "<id>", help: "the organization's id; the same each time" },
  seed: { ...valued, value: "<path>", help: "a JSON file of what it holds (docs/sandbox.md)" },
  grants: { ...valued, value: "<n>", help: "grants of made-up people; 3, none with --seed" },
  json: { ...flag, help: "its settings as a JSON object, not as an .env file" },
  quiet: { ...flag, short: "q", help: "do not log requests" },
} as const satisfies FlagTable;

/** The command `sandbox`: starts a sandbox, shows how to try it, and stops it when it is interrupted. */
export const sandbox = defineCommand({
  name: "sandbox",
  summary: "start a sandbox: a local server that behaves like ZITADEL",
  description:
    "Starts a sandbox on this machine and prints settings for it, in the form of an .env file. Ctrl-C stops it and discards its data. Ids and tokens are the same each time, so that saved settings stay valid. Each request is logged to standard error: the method, its outcome, and the id of the error if there is one.",
  examples: [
    "zitadel-user-grants sandbox",
    "zitadel-user-grants sandbox --grants 100000 --generation v2.70",
  ],
  groups: [{ title: "Options", flags }],
  async run(values, _, io) {
    const { seed, host, quiet, json } = values;
    const count = wholeNumber("grants", values.grants, 10_000_000, 0);
    const server = await start({
      port: wholeNumber("port", values.port, 65_535, 0) ?? 8080,
      ...{ host, seed, orgId: values.org, token: values.token ?? "sandbox-token" },
      cors: values.cors?.includes("any") ? "any" : (values.cors ?? "loopback"),
      generation: values.generation as Generation | undefined,
      onRequest: quiet ? undefined : (request) => line(io.stderr, logLine(request)),
    });
    try {
      const viewer = server.addUser({
        name: "Viewer",
        roles: ["ORG_OWNER_VIEWER"],
        token: "sandbox-viewer-token",
      });
      const grants = await addDemoGrants(server, count ?? (seed === undefined ? 3 : 0));
      const { baseUrl, token, orgId } = server;
      const settings = { baseUrl, token, orgId, viewerToken: viewer.token, grants };
      if (host !== undefined && !isLoopback(host)) {
        line(
          io.stderr,
          `Listening on ${host}: everyone who reaches this machine can use the sandbox, with its well-known token.`,
        );
      }
      io.stdout.write(json ? `${jsonText(settings)}\n` : environmentFile(settings));
      await new Promise<void>((resolve) => io.onInterrupt(resolve));
      return exitCode.done;
    } finally {
      await server.close();
    }
  },
});

/** @throws UsageError for what it is given and cannot use; Ended where it cannot listen. */
async function start(options: SandboxServerOptions): Promise<SandboxServer> {
  try {
    return await startSandbox(options);
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof TypeError) {
      // In the words of the tool: the library names its function and its options.
      throw new UsageError(
        inFlags(message)
          .replace("startSandbox: ", "")
          .replace(/^(host|cors|token|generation|seed)\b/, "--$1"),
      );
    }
    if (code === undefined) {
      throw error;
    }
    throw syscall === "open" || syscall === "read"
      ? new UsageError(`--seed: ${options.seed} cannot be read: ${fileProblem(error)}.`)
      : new Ended(
          exitCode.aborted,
          `${message}. Choose another --port or --host; --port 0 takes a free one.`,
        );
  }
}

function logLine({ method, outcome, id = "" }: SandboxRequest): string {
  return printable(`${method} ${outcome} ${id}`).trimEnd();
}

type DemoGrant = ReturnType<SandboxServer["addGrant"]>;
type Settings = Pick<SandboxServer, "baseUrl" | "token" | "orgId"> & {
  readonly viewerToken: string;
  readonly grants: readonly DemoGrant[];
};

/** In a form that both a shell and an .env file accept. */
function environmentFile({ baseUrl, token, orgId, viewerToken, grants }: Settings): string {
  return [
    "# A sandbox: a local server that behaves like ZITADEL, until you press Ctrl-C.",
    `ZITADEL_URL=${baseUrl}`,
    `ZITADEL_TOKEN=${token}`,
    `ZITADEL_ORG_ID=${orgId}`,
    "# May read and not write: No matching permissions found (AUTH-5mWD2)",
    `ZITADEL_VIEWER_TOKEN=${viewerToken}`,
    ...grants.flatMap(({ userId, grantId }, index) => {
      const suffix = index === 0 ? "" : `_${index + 1}`;
      return [`USER_ID${suffix}=${userId}`, `GRANT_ID${suffix}=${grantId}`];
    }),
    "# List the grants:",
    `#   curl -X POST -H "authorization: Bearer ${token}" -d "{}" ${baseUrl}/management/v1/users/grants/_search`,
    "",
  ].join("\n");
}

const firstNames = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Ken", "Leslie", "Margaret"];
const lastNames = ["Hopper", "Kernighan", "Lamport", "Liskov", "Lovelace", "Ritchie", "Turing"];

const projects = [
  { name: "Billing", roleKeys: ["reader", "writer"] },
  { name: "Reports", roleKeys: ["reader"] },
];

/** Adds grants of made-up users, one each, in two projects. @returns the first three of them. */
async function addDemoGrants(server: SandboxServer, count: number): Promise<DemoGrant[]> {
  const added = projects.map((project) => ({ ...project, ...server.addProject(project) }));
  const first: DemoGrant[] = [];
  for (let index = 0; index < count; index++) {
    const name = `${firstNames[index % firstNames.length]} ${lastNames[index % lastNames.length]}`;
    const loginName = `${name.replace(" ", ".").toLowerCase()}${index < 56 ? "" : `.${index}`}`;
    const { userId } = server.addUser({ name, loginName, email: `${loginName}@example.com` });
    const { projectId, roleKeys } = added[index % added.length] ?? {};
    const grant = server.addGrant({ userId, projectId, roleKeys });
    if (index < 3) {
      first.push(grant);
    }
    if (index % 10_000 === 9999) {
      // Ctrl-C is heard in between, and ends the process.
      await sleep(platform, 0);
    }
  }
  return first;
}
