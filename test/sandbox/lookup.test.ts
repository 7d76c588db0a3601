import { describe, expect, it, onTestFinished } from "vitest";
import {
  type SandboxServer,
  type SandboxServerOptions,
  startSandbox,
} from "../../src/sandbox/index.js";

async function open(options: SandboxServerOptions = {}) {
  const sandbox = await startSandbox(options);
  onTestFinished(() => sandbox.close());
  return { sandbox, call: callerOf(sandbox) };
}

function callerOf(sandbox: SandboxServer) {
  return async (method: string, path: string, body?: unknown, token = sandbox.token) => {
    const response = await fetch(`${sandbox.baseUrl}/management/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const value = await response.json();
    return { status: response.status, value, id: value.details?.[0]?.id };
  };
}

type Call = ReturnType<typeof callerOf>;

async function search(call: Call, query: object, queries: object[] = []) {
  const { value } = await call("POST", "/users/grants/_search", { query, queries });
  return {
    total: value.details?.totalResult,
    ids: (value.result ?? []).map(({ id }: { id: string }) => id),
  };
}

describe("a search for grants", () => {
  it("counts nothing past the end, as a page without rows does in ZITADEL", async () => {
    const { sandbox, call } = await open();
    sandbox.addGrant();
    expect(await search(call, { offset: 1, limit: 2 })).toEqual({ total: undefined, ids: [] });
  });

  it("shifts the rest when what it found is removed", async () => {
    const { sandbox, call } = await open();
    const ids = Array.from({ length: 4 }, () => sandbox.addGrant().grantId);
    await search(call, { limit: 2 });
    await call("DELETE", "/user_grants/_bulk", { grantId: ids.slice(0, 2) });
    expect(await search(call, { offset: 2, limit: 2 })).toEqual({ total: undefined, ids: [] });
    expect(await search(call, { limit: 2 })).toEqual({ total: "2", ids: ids.slice(2) });
  });

  it("joins queries by AND, with every method of comparing texts", async () => {
    const { sandbox, call } = await open();
    const { projectId } = sandbox.addProject({ name: "Billing", roleKeys: ["reader"] });
    const { userId } = sandbox.addUser({
      name: "Jane Doe",
      email: "Jane@Example.com",
      userName: "jane",
    });
    const { userId: robot } = sandbox.addUser({ type: "machine", userName: "robot" });
    const jane = sandbox.addGrant({ userId, projectId, roleKeys: ["reader", "writer"] }).grantId;
    const bot = sandbox.addGrant({ userId: robot, projectId, roleKeys: ["reader"] }).grantId;
    const other = sandbox.addGrant({ userId }).grantId;
    const find = async (...queries: object[]) => (await search(call, {}, queries)).ids;
    const method = (name: string) => `TEXT_QUERY_METHOD_${name}`;

    expect(await find({ userIdQuery: { userId } })).toEqual([jane, other]);
    expect(await find({ userIdQuery: { userId } }, { projectIdQuery: { projectId } })).toEqual([
      jane,
    ]);
    expect(await find({ inUserIdsQuery: { inUserIds: [robot, "1"] } })).toEqual([bot]);
    expect(await find({ inUserIdsQuery: { userIds: [robot] } })).toEqual([]);
    expect(await find({ roleKeyQuery: { roleKey: "reader" } })).toEqual([jane, bot]);
    expect(await find({ role_key_query: { role_key: "writer" } })).toEqual([jane]);
    expect(await find({ emailQuery: { email: "jane@example.com" } })).toEqual([]);
    const matching = {
      EQUALS_IGNORE_CASE: "jane@EXAMPLE.com",
      STARTS_WITH: "Jane@",
      STARTS_WITH_IGNORE_CASE: "jane@",
      CONTAINS: "@Ex",
      CONTAINS_IGNORE_CASE: "@ex",
      ENDS_WITH: "ple.com",
      ENDS_WITH_IGNORE_CASE: "PLE.COM",
    };
    for (const [name, email] of Object.entries(matching)) {
      expect([name, await find({ emailQuery: { email, method: method(name) } })]).toEqual([
        name,
        [jane, other],
      ]);
    }
    expect(await find({ userNameQuery: { userName: "robot" } })).toEqual([bot]);
    expect(await find({ userTypeQuery: { type: "TYPE_MACHINE" } })).toEqual([bot]);
    expect(await find({ projectNameQuery: { projectName: "Bill", method: 2 } })).toEqual([
      jane,
      bot,
    ]);
    expect(await find({ displayNameQuery: { displayName: "Jane Doe" } })).toEqual([jane, other]);
    expect(await find({ firstNameQuery: { firstName: "Jane" } })).toEqual([jane, other]);
    expect(await find({ lastNameQuery: { lastName: "Doe" } })).toEqual([jane, other]);
    expect(await find({ orgNameQuery: { orgName: "ZITADEL" } })).toHaveLength(3);
    expect(await find({ orgDomainQuery: { orgDomain: "zitadel.localhost" } })).toHaveLength(3);
  });

  it("finds grants of the organization's projects elsewhere only with withGrantedQuery", async () => {
    const { sandbox, call } = await open();
    const { orgId } = sandbox.addOrg({ name: "Partner" });
    const { projectId } = sandbox;
    const { grantId, userId } = sandbox.addGrant({ orgId, projectId });
    expect((await search(call, {})).ids).toEqual([]);
    expect((await search(call, {}, [{ withGrantedQuery: { withGranted: true } }])).ids).toEqual([
      grantId,
    ]);
    const response = await fetch(
      `${sandbox.baseUrl}/management/v1/users/${userId}/grants/${grantId}`,
      { headers: { authorization: `Bearer ${sandbox.token}`, "x-zitadel-orgid": orgId } },
    );
    const { userGrant } = (await response.json()) as { userGrant: Record<string, string> };
    expect(userGrant).toMatchObject({ orgName: "Partner", projectId });
    expect(userGrant.projectGrantId).toMatch(/^\d{18}$/);
  });

  it.each([
    { queries: [{ emailQuery: { email: "x".repeat(201) } }] },
    { queries: [{}] },
    { queries: [{ emailQuery: { method: 8 } }] },
    { queries: [{ displayNameQuery: { displayName: "x", method: 8 } }] },
    { queries: [{ emailQuery: {}, userIdQuery: {} }] },
    { queries: [{ emailQuery: { method: true } }] },
    { queries: {} },
    { queries: [null] },
    { query: { limit: -1 } },
    { query: { limit: 2 ** 32 } },
    { query: { offset: "0x1" } },
    { query: { asc: "true" } },
    [],
  ])("rejects %j", async (body) => {
    const { call } = await open();
    const { status, value } = await call("POST", "/users/grants/_search", body);
    expect([status, value.code]).toEqual([400, 3]);
  });

  it.each([
    { query: { offset: null, limit: "10" } },
    { query: { limit: 1e2 } },
    { queries: [{ emailQuery: null, userIdQuery: { userId: "1" } }] },
    // Unknown names of enums are ignored, as unknown fields are.
    { queries: [{ emailQuery: { email: "1", method: "LIKE" } }] },
    { queries: [{ user_type_query: { type: 1 } }] },
    // Two fields that their definition does not limit.
    { queries: [{ userTypeQuery: { type: 3 } }] },
    { queries: [{ displayNameQuery: { displayName: "x".repeat(201) } }] },
  ])("accepts %j", async (body) => {
    const { call } = await open();
    expect((await call("POST", "/users/grants/_search", body)).status).toBe(200);
  });

  it("asks for a permission of its own", async () => {
    const { sandbox, call } = await open();
    const { token } = sandbox.addUser({ roles: ["ORG_SETTINGS_MANAGER"] });
    const viewer = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token;
    const path = "/users/grants/_search";
    expect((await call("POST", path, {}, token)).id).toBe("AUTH-5mWD2");
    expect((await call("POST", path, {}, viewer)).status).toBe(200);
    expect((await call("POST", "/users/1/grants", { projectId: "1" }, viewer)).id).toBe(
      "AUTH-5mWD2",
    );
  });
});

describe("adding a grant", () => {
  it("returns a new id, or reports what prevents it", async () => {
    const { sandbox, call } = await open();
    const { projectId } = sandbox.addProject({ roleKeys: ["reader"] });
    const { userId } = sandbox.addUser();
    const path = `/users/${userId}/grants`;
    const grant = { projectId, roleKeys: ["reader"] };
    const { value } = await call("POST", path, grant);
    expect(sandbox.grant(value.userGrantId)).toMatchObject({ userId, projectId, state: "active" });
    expect((await call("POST", path, grant)).id).toBe("V3-DKcYh");
    await call("DELETE", "/user_grants/_bulk", { grantId: [value.userGrantId] });
    const again = await call("POST", path, grant);
    expect(again.status).toBe(200);
    expect(again.value.userGrantId).not.toBe(value.userGrantId);
    expect((await call("POST", "/users/1/grants", grant)).id).toBe("COMMAND-4f8sg");
    expect((await call("POST", path, { ...grant, projectId: "1" })).id).toBe("COMMAND-4m9ff");
    expect((await call("POST", path, { projectId, roleKeys: ["x"] })).id).toBe("COMMAND-mm9F4");
    expect((await call("POST", path, {})).value).toMatchObject({ code: 3 });
  });

  it("needs the project of the caller's role", async () => {
    const { sandbox, call } = await open();
    const { projectId } = sandbox.addProject();
    const roles = [{ role: "PROJECT_OWNER", projectId }] as const;
    const { token } = sandbox.addUser({ roles });
    const { userId } = sandbox.addUser();
    const path = `/users/${userId}/grants`;
    const other = await call("POST", path, { projectId: sandbox.projectId }, token);
    expect(other.id).toBe("EVENT-Shu7e");
    expect((await call("POST", path, { projectId }, token)).status).toBe(200);
  });
});

describe("a search for users", () => {
  it("finds them by email and login name, nested queries included", async () => {
    const { sandbox, call } = await open();
    const { userId } = sandbox.addUser({ email: "jane@example.com", loginName: "jane@acme" });
    const { userId: john } = sandbox.addUser({ email: "john@example.com" });
    const find = async (...queries: object[]) => {
      const { value } = await call("POST", "/users/_search", { query: { asc: true }, queries });
      return (value.result ?? []).map(({ id }: { id: string }) => id);
    };
    const jane = { emailQuery: { emailAddress: "jane@example.com" } };
    expect(await find(jane)).toEqual([userId]);
    expect(await find({ loginNameQuery: { loginName: "jane@acme" } })).toEqual([userId]);
    expect(
      await find({ orQuery: { queries: [jane, { inUserIdsQuery: { userIds: [john] } }] } }),
    ).toEqual([userId, john]);
    expect(
      await find(
        { notQuery: { query: jane } },
        { emailQuery: { emailAddress: "example.com", method: 6 } },
      ),
    ).toContain(john);
    expect(await find({ userNameQuery: { userName: "nobody" } })).toEqual([]);
  });

  it.each([
    { typeQuery: { type: 3 } },
    { andQuery: { queries: [{ loginNameQuery: { loginName: "x" } }, {}] } },
    { notQuery: { query: { emailQuery: { emailAddress: "x".repeat(201) } } } },
  ])("rejects %j", async (query) => {
    const { call } = await open();
    const { value } = await call("POST", "/users/_search", { queries: [query] });
    expect(value).toMatchObject({ code: 3 });
  });
});

it("an account is told what it may do, and where: all, one project, or nothing", async () => {
  const { sandbox } = await open();
  const { projectId } = sandbox.addProject();
  const other = sandbox.addOrg().orgId;
  const permissions = async (token: string, orgId = sandbox.orgId) => {
    const response = await fetch(`${sandbox.baseUrl}/auth/v1/permissions/zitadel/me/_search`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "x-zitadel-orgid": orgId },
      body: "{}",
    });
    return response.json();
  };
  const viewer = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token;
  const limited = sandbox.addUser({ roles: [{ role: "PROJECT_OWNER_VIEWER", projectId }] }).token;
  expect(await permissions(viewer)).toEqual({
    result: ["user.grant.read", "user.read", "org.read"],
  });
  expect(await permissions(viewer, other)).toEqual({});
  expect(await permissions(limited)).toEqual({
    result: [`user.grant.read:${projectId}`, `user.read:${projectId}`],
  });
  expect(await permissions("unknown")).toMatchObject({ details: [{ id: "AUTH-7fs1e" }] });
  expect(await permissions(viewer, "1")).toMatchObject({ details: [{ id: "AUTH-Bs7Ds" }] });
});
