import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { comparable } from "./comparable.js";

interface Authorization {
  readonly id: string;
  readonly project: { readonly id: string; readonly name: string };
  readonly organization: { readonly id: string; readonly name: string };
  readonly user: {
    readonly id: string;
    readonly preferredLoginName: string;
    readonly displayName?: string;
  };
  readonly state: string;
  readonly roles: readonly { readonly key: string }[];
}

interface Exchange {
  readonly request: {
    readonly token: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: object;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: { readonly authorizations?: readonly Authorization[]; readonly code?: string };
  };
}

const url = new URL("../recordings/v4/authorizations.json", import.meta.url);
const exchanges = Object.entries(JSON.parse(readFileSync(url, "utf8")) as Record<string, Exchange>);
const bodies = exchanges.map(([, { response }]) => response.body);

let sandbox: SandboxServer;
let tokens: Record<string, string>;

beforeAll(async () => {
  const all = bodies.flatMap(({ authorizations = [] }) => authorizations);
  const grants = [...new Map(all.map((grant) => [grant.id, grant])).values()];
  const { organization } = grants[0]!;
  sandbox = await startSandbox({ orgId: organization.id });
  sandbox.addOrg({ orgId: organization.id, name: organization.name });
  tokens = { "of an administrator": sandbox.token };
  // Ids grow with time.
  for (const { id, project, user, state, roles } of grants.sort((a, b) => (a.id < b.id ? -1 : 1))) {
    sandbox.addProject({ projectId: project.id, name: project.name });
    const isHuman = user.displayName !== undefined;
    const added = sandbox.addUser({
      userId: user.id,
      loginName: user.preferredLoginName,
      ...(isHuman ? { name: user.displayName } : { type: "machine" }),
    });
    if (!isHuman) {
      tokens["of a user without permissions"] = added.token;
    }
    sandbox.addGrant({
      grantId: id,
      userId: user.id,
      projectId: project.id,
      roleKeys: roles.map(({ key }) => key),
      state: state === "STATE_ACTIVE" ? "active" : "inactive",
    });
  }
});

afterAll(() => sandbox.close());

/** Without what differs by its nature: dates, names of roles, how many grants the instance has. */
function masked(body: unknown): unknown {
  const { message, ...rest } = JSON.parse(JSON.stringify(body), (name, value) => {
    if (name === "creationDate" || name === "changeDate") {
      return "a date";
    }
    return ["displayName", "group"].includes(name) || name === "totalResult" ? undefined : value;
  });
  return rest.code !== undefined && rest.details === undefined ? rest : { ...rest, message };
}

it.each(exchanges)("the sandbox lists authorizations as recorded: %s", async (name, exchange) => {
  const { request, response } = exchange;
  const token = tokens[request.token];
  const received = await fetch(
    `${sandbox.baseUrl}/zitadel.authorization.v2.AuthorizationService/ListAuthorizations`,
    {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...request.headers,
      },
      body: JSON.stringify(request.body),
    },
  );
  const body = (await received.json()) as { pagination?: { totalResult?: string } };
  expect(received.status).toBe(response.status);
  expect(masked(body)).toEqual(masked(response.body));
  const recorded = comparable(response.headers);
  expect(comparable(Object.fromEntries(received.headers))).toMatchObject(recorded);
  if (name !== "no-filters-limit-1") {
    const { pagination } = response.body as typeof body;
    expect(body.pagination?.totalResult).toBe(pagination?.totalResult);
  }
});
