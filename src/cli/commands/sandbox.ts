import {
  type Generation,
  type SandboxRequest,
  type SandboxServer,
  startSandbox,
} from "../../sandbox/index.js";
import { inFlags } from "../explain.js";
import { type Command, type FlagTable, noArguments, parseFlags, wholeNumber } from "../flags.js";
import { exitCode, fileProblem, type Io, line, UsageError } from "../io.js";

const serverFlags = {
  port: { type: "string", value: "<0 to 65535>", help: "8080 by default; 0 takes a free one" },
  generation: {
    type: "string",
    value: "<v4|v2.70>",
    values: ["v4", "v2.70"],
    help: "the version of ZITADEL to imitate; v4 by default",
  },
  quiet: { type: "boolean", help: "do not log requests" },
} as const satisfies FlagTable;

const contentFlags = {
  token: {
    type: "string",
    value: "<token>",
    help: "the access token that may do everything; sandbox-token by default",
  },
  org: {
    type: "string",
    value: "<id>",
    help: "the organization's id; the same each time by default",
  },
  seed: {
    type: "string",
    value: "<path>",
    help: "a JSON file with organizations, projects, users and grants",
  },
  grants: {
    type: "string",
    value: "<number>",
    help: "how many grants of made-up people to add; 3 by default, none with --seed",
  },
} as const satisfies FlagTable;

const signInFlags = {
  "redirect-uri": {
    type: "string",
    multiple: true,
    value: "<url>",
    help: "callback address of a page that signs users in; may be given several times",
  },
  "client-id": {
    type: "string",
    value: "<id>",
    help: "the client id of that page; sandbox-client by default",
  },
} as const satisfies FlagTable;

const flags = { ...serverFlags, ...contentFlags, ...signInFlags };

/** The command `sandbox`: starts a sandbox, shows how to try it, and stops it when it is interrupted. */
export const sandbox: Command = {
  name: "sandbox",
  summary: "start a sandbox: a local server that behaves like ZITADEL",
  description: `Starts a sandbox on this machine and prints settings for it, in the form of an .env file. Ctrl-C stops
it and discards its data. Ids and tokens are the same each time, so that saved settings stay valid.

Each request is logged to standard error: the method, its outcome, and the id of the error if there
is one.`,
  examples: [
    "zitadel-user-grants sandbox",
    "zitadel-user-grants sandbox --grants 100000 --generation v2.70",
    "zitadel-user-grants sandbox --seed people.json --quiet",
    "zitadel-user-grants sandbox --redirect-uri http://localhost:5173/callback",
  ],
  groups: [
    { title: "Server", flags: serverFlags },
    {
      title: "What it holds",
      flags: contentFlags,
      note: "schema/sandbox-seed.json of this package describes the file of --seed; docs/sandbox.md shows one.",
    },
    { title: "Signing in from a page", flags: signInFlags },
  ],
  run: runSandbox,
};

async function runSandbox(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  noArguments("sandbox", positionals);
  const redirectUris = values["redirect-uri"] ?? [];
  const clientId = values["client-id"] ?? "sandbox-client";
  if (values["client-id"] !== undefined && redirectUris.length === 0) {
    throw new UsageError("--client-id needs --redirect-uri: where the page is called back.");
  }
  for (const uri of redirectUris) {
    if (!URL.canParse(uri)) {
      throw new UsageError(`--redirect-uri takes a URL; got ${JSON.stringify(uri)}.`);
    }
  }
  const count = values.grants === "0" ? 0 : wholeNumber("grants", values.grants, 10_000_000);
  const port = values.port === undefined ? 8080 : Number(values.port);
  let server: SandboxServer;
  try {
    server = await startSandbox({
      port,
      token: values.token ?? "sandbox-token",
      orgId: values.org,
      generation: values.generation as Generation | undefined,
      seed: values.seed,
      onRequest: values.quiet ? undefined : (request) => line(io.stderr, logLine(request)),
    });
  } catch (error) {
    return explain(error, port, values.seed, io);
  }
  const viewer = server.addUser({
    name: "Viewer",
    roles: ["ORG_OWNER_VIEWER"],
    token: "sandbox-viewer-token",
  });
  const grants = addDemoGrants(server, count ?? (values.seed === undefined ? 3 : 0));
  if (redirectUris.length > 0) {
    const postLogoutRedirectUris = redirectUris.flatMap((uri) => [uri, new URL("/", uri).href]);
    server.addApp({ clientId, redirectUris, postLogoutRedirectUris });
  }
  const { promise: interrupted, resolve } = Promise.withResolvers<void>();
  const stopListening = io.onInterrupt(resolve);
  io.stdout.write(
    introduction(server, viewer.token, grants, redirectUris.length > 0 ? clientId : undefined),
  );
  await interrupted;
  stopListening();
  await server.close();
  return exitCode.done;
}

function explain(error: unknown, port: number, seed: string | undefined, io: Io): number {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof TypeError) {
    // In the words of the tool: the library names its function and its options.
    const flag = inFlags(message).replace(/^(port|token|generation|seed)\b/, "--$1");
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
    throw new UsageError(`--seed: ${seed} cannot be read: ${fileProblem(error, "read")}.`);
  }
  if (code !== undefined) {
    line(io.stderr, message);
    return exitCode.aborted;
  }
  throw error;
}

function logLine({ method, outcome, id }: SandboxRequest): string {
  return [method, outcome, ...(id === undefined ? [] : [id])].join(" ");
}

/** Settings in a form that both a shell and an .env file accept. */
function introduction(
  { baseUrl, token, orgId }: SandboxServer,
  viewerToken: string,
  grants: readonly { userId: string; grantId: string }[],
  clientId: string | undefined,
): string {
  const lines = [
    "# A sandbox: a local server that behaves like ZITADEL, until you press Ctrl-C.",
    `ZITADEL_URL=${baseUrl}`,
    `ZITADEL_TOKEN=${token}`,
    `ZITADEL_ORG_ID=${orgId}`,
    "# May read and not write: No matching permissions found (AUTH-5mWD2)",
    `ZITADEL_VIEWER_TOKEN=${viewerToken}`,
  ];
  if (clientId !== undefined) {
    lines.push("# For a page that signs people in", `ZITADEL_CLIENT_ID=${clientId}`);
  }
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

const firstNames = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Ken", "Leslie", "Margaret"];
const lastNames = ["Hopper", "Kernighan", "Lamport", "Liskov", "Lovelace", "Ritchie", "Turing"];

const projects = [
  { name: "Billing", roleKeys: ["reader", "writer"] },
  { name: "Reports", roleKeys: ["reader"] },
];

/**
 * Adds grants of made-up users, one each, in two projects.
 *
 * @returns the first three of them.
 */
export function addDemoGrants(
  sandbox: SandboxServer,
  count: number,
): { userId: string; grantId: string }[] {
  const added = projects.map((project) => ({ ...project, ...sandbox.addProject(project) }));
  const first: { userId: string; grantId: string }[] = [];
  for (let index = 0; index < count; index++) {
    const firstName = firstNames[index % firstNames.length] ?? "";
    const lastName = lastNames[index % lastNames.length] ?? "";
    const loginName = `${firstName}.${lastName}${index < 56 ? "" : `.${index}`}`.toLowerCase();
    const { userId } = sandbox.addUser({
      name: `${firstName} ${lastName}`,
      loginName,
      email: `${loginName}@example.com`,
    });
    const project = added[index % added.length];
    const grant = sandbox.addGrant({
      userId,
      projectId: project?.projectId,
      roleKeys: project?.roleKeys,
    });
    if (index < 3) {
      first.push(grant);
    }
  }
  return first;
}
