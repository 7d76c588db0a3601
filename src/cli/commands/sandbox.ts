import { isLoopback, platform, sleep } from "../../bulk/internal.js";
import {
  type Generation,
  type SandboxRequest,
  type SandboxServer,
  startSandbox,
} from "../../sandbox/index.js";
import { inFlags } from "../explain.js";
import { type Command, type FlagTable, noArguments, parseFlags, wholeNumber } from "../flags.js";
import {
  exitCode,
  fileProblem,
  Interrupted,
  type Io,
  line,
  OutputClosed,
  UsageError,
  writeAll,
} from "../io.js";
import { jsonText, printable } from "../terminal.js";

const serverFlags = {
  port: { type: "string", value: "<number>", help: "8080 by default; 0 takes a free one" },
  host: { type: "string", value: "<address>", help: "the address to listen on; this machine only" },
  cors: {
    type: "string",
    multiple: true,
    value: "<origin|any>",
    help: "pages that may call it; those of this machine",
  },
  generation: {
    type: "string",
    value: "<v4|v2.70>",
    values: ["v4", "v2.70"],
    help: "the version of ZITADEL to imitate; v4",
  },
} as const satisfies FlagTable;

const contentFlags = {
  token: {
    type: "string",
    value: "<token>",
    help: "the token that may do everything; sandbox-token",
  },
  org: { type: "string", value: "<id>", help: "the organization's id; the same each time" },
  seed: {
    type: "string",
    value: "<path>",
    help: "a JSON file of organizations, users, grants (docs/sandbox.md)",
  },
  grants: {
    type: "string",
    value: "<number>",
    help: "grants of made-up people; 3, none with --seed",
  },
} as const satisfies FlagTable;

const outputFlags = {
  json: { type: "boolean", help: "its settings as a JSON object, not as an .env file" },
  quiet: { type: "boolean", short: "q", help: "do not log requests" },
} as const satisfies FlagTable;

const flags = { ...serverFlags, ...contentFlags, ...outputFlags };

/** The command `sandbox`: starts a sandbox, shows how to try it, and stops it when it is interrupted. */
export const sandbox: Command = {
  name: "sandbox",
  summary: "start a sandbox: a local server that behaves like ZITADEL",
  description:
    "Starts a sandbox on this machine and prints settings for it, in the form of an .env file. Ctrl-C stops it and discards its data. Ids and tokens are the same each time, so that saved settings stay valid. Each request is logged to standard error: the method, its outcome, and the id of the error if there is one.",
  examples: [
    "zitadel-user-grants sandbox",
    "zitadel-user-grants sandbox --grants 100000 --generation v2.70",
  ],
  groups: [
    { title: "Server", flags: serverFlags },
    { title: "What it holds", flags: contentFlags },
    { title: "Output", flags: outputFlags },
  ],
  run: runSandbox,
};

async function runSandbox(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  noArguments("sandbox", positionals);
  const count = values.grants === "0" ? 0 : wholeNumber("grants", values.grants, 10_000_000);
  const port = values.port === undefined ? 8080 : Number(values.port);
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  let isStopped = false;
  const stopListening = io.onInterrupt(() => {
    isStopped = true;
    resolve();
  });
  let server: SandboxServer;
  try {
    server = await startSandbox({
      port,
      host: values.host,
      cors: values.cors?.includes("any") ? "any" : (values.cors ?? "loopback"),
      token: values.token ?? "sandbox-token",
      orgId: values.org,
      generation: values.generation as Generation | undefined,
      seed: values.seed,
      onRequest: values.quiet ? undefined : (request) => line(io.stderr, logLine(request)),
    });
  } catch (error) {
    stopListening();
    return explain(error, port, values.seed, io);
  }
  const viewer = server.addUser({
    name: "Viewer",
    roles: ["ORG_OWNER_VIEWER"],
    token: "sandbox-viewer-token",
  });
  const grants = await addDemoGrants(
    server,
    count ?? (values.seed === undefined ? 3 : 0),
    () => isStopped,
  );
  if (!isStopped) {
    if (values.host !== undefined && !isLoopback(values.host)) {
      line(
        io.stderr,
        `Listening on ${values.host}: everyone who reaches this machine can use the sandbox, with its well-known token.`,
      );
    }
    const introduced = values.json ? settings : introduction;
    await writeAll(io, introduced(server, viewer.token, grants)).catch((error) => {
      if (!(error instanceof OutputClosed || error instanceof Interrupted)) {
        throw error;
      }
    });
    await interrupted;
  }
  stopListening();
  await server.close();
  return exitCode.done;
}

function explain(error: unknown, port: number, seed: string | undefined, io: Io): number {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof TypeError) {
    // In the words of the tool: the library names its function and its options.
    const flag = inFlags(message).replace(/^(port|host|cors|token|generation|seed)\b/, "--$1");
    throw new UsageError(flag);
  }
  if (code === "EADDRINUSE") {
    line(
      io.stderr,
      `Port ${port} is taken. Choose another with --port; --port 0 takes a free one.`,
    );
    return exitCode.aborted;
  }
  if (syscall === "open" || syscall === "read") {
    throw new UsageError(`--seed: ${seed} cannot be read: ${fileProblem(error)}.`);
  }
  if (code !== undefined) {
    line(io.stderr, message);
    return exitCode.aborted;
  }
  throw error;
}

function logLine({ method, outcome, id }: SandboxRequest): string {
  return printable([method, outcome, ...(id === undefined ? [] : [id])].join(" "));
}

type DemoGrant = { readonly userId: string; readonly grantId: string };

/** Settings in a form that both a shell and an .env file accept. */
function introduction(
  { baseUrl, token, orgId }: SandboxServer,
  viewerToken: string,
  grants: readonly DemoGrant[],
): string {
  const lines = [
    "# A sandbox: a local server that behaves like ZITADEL, until you press Ctrl-C.",
    `ZITADEL_URL=${baseUrl}`,
    `ZITADEL_TOKEN=${token}`,
    `ZITADEL_ORG_ID=${orgId}`,
    "# May read and not write: No matching permissions found (AUTH-5mWD2)",
    `ZITADEL_VIEWER_TOKEN=${viewerToken}`,
  ];
  for (const [index, { userId, grantId }] of grants.entries()) {
    const suffix = index === 0 ? "" : `_${index + 1}`;
    lines.push(`USER_ID${suffix}=${userId}`, `GRANT_ID${suffix}=${grantId}`);
  }
  lines.push(
    "# List the grants:",
    `#   curl -X POST -H "authorization: Bearer ${token}" -d "{}" ${baseUrl}/management/v1/users/grants/_search`,
  );
  return `${lines.join("\n")}\n`;
}

function settings(
  { baseUrl, token, orgId }: SandboxServer,
  viewerToken: string,
  grants: readonly DemoGrant[],
): string {
  return `${jsonText({ baseUrl, token, orgId, viewerToken, grants })}\n`;
}

const firstNames = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Ken", "Leslie", "Margaret"];
const lastNames = ["Hopper", "Kernighan", "Lamport", "Liskov", "Lovelace", "Ritchie", "Turing"];

const projects = [
  { name: "Billing", roleKeys: ["reader", "writer"] },
  { name: "Reports", roleKeys: ["reader"] },
];

/** Adds grants of made-up users, one each, in two projects. @returns the first three of them. */
async function addDemoGrants(
  server: SandboxServer,
  count: number,
  isStopped: () => boolean,
): Promise<DemoGrant[]> {
  const added = projects.map((project) => ({ ...project, ...server.addProject(project) }));
  const first: DemoGrant[] = [];
  for (let index = 0; index < count && !isStopped(); index++) {
    const firstName = firstNames[index % firstNames.length] ?? "";
    const lastName = lastNames[index % lastNames.length] ?? "";
    const loginName = `${firstName}.${lastName}${index < 56 ? "" : `.${index}`}`.toLowerCase();
    const { userId } = server.addUser({
      name: `${firstName} ${lastName}`,
      loginName,
      email: `${loginName}@example.com`,
    });
    const project = added[index % added.length];
    const grant = server.addGrant({
      userId,
      projectId: project?.projectId,
      roleKeys: project?.roleKeys,
    });
    if (index < 3) {
      first.push(grant);
    }
    if (index % 10_000 === 9999) {
      // Ctrl-C is heard in between.
      await sleep(platform, 0);
    }
  }
  return first;
}
