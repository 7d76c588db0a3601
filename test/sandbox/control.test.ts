import { Code, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import { close } from "../../src/client/close.js";
import { describeError } from "../../src/errors/describe.js";
import { createSandbox, type Role, startSandbox } from "../../src/sandbox/index.js";

describe("the sandbox's own functions", () => {
  it("keep what they are given", () => {
    const sandbox = createSandbox({ token: "t", orgId: "o" });
    expect([sandbox.token, sandbox.orgId]).toEqual(["t", "o"]);
    const { orgId } = sandbox.addOrg({ orgId: "o2" });
    const { projectId } = sandbox.addProject({ projectId: "p2", orgId });
    const grant = { grantId: "g", userId: "u", orgId, projectId, state: "inactive" } as const;
    expect(sandbox.addGrant(grant)).toEqual({ grantId: "g", userId: "u" });
    expect(sandbox.grant("g")).toEqual({ userId: "u", orgId, projectId, state: "inactive" });
    expect(sandbox.grant("h")).toBeUndefined();
  });

  it("reject unresolved references, and name them", () => {
    const sandbox = createSandbox();
    expect(() => sandbox.addGrant({ orgId: "1" })).toThrow('no organization "1"');
    expect(() => sandbox.addGrant({ projectId: "1" })).toThrow('no project "1"');
    expect(() => sandbox.addProject({ orgId: "1" })).toThrow('no organization "1"');
    expect(() => sandbox.addUser({ orgId: "1" })).toThrow('no organization "1"');
    expect(() => sandbox.addToken({ userId: "1" })).toThrow('no user "1"');
    expect(() => sandbox.addUser({ roles: ["PROJECT_OWNER"] })).toThrow("give its projectId");
    expect(() => sandbox.addUser({ roles: ["OWNER" as Role] })).toThrow("IAM_OWNER");
    const { grantId } = sandbox.addGrant();
    expect(() => sandbox.addGrant({ grantId })).toThrow("already");
  });

  it.each([
    ["addGrant", { userID: "1" }, 'unknown option "grant.userID"; did you mean userId?'],
    ["addGrant", { state: "gone" }, 'grant.state must be "active" or "inactive"; got "gone"'],
    ["addUser", { roles: "ORG_OWNER" }, "user.roles must be an array of manager roles"],
    [
      "addUser",
      { token: "not one" },
      "ASCII without spaces; got a string of 7 characters with a space",
    ],
    ["addProject", { roleKeys: [1] }, "project.roleKeys must be an array of strings"],
    ["addOrg", "acme", 'org must be an object; got "acme"'],
  ] as const)("%s(%j) is rejected: it would add something else", (name, init, message) => {
    const sandbox = createSandbox();
    const add = sandbox[name] as (given: unknown) => unknown;
    expect(() => add(init)).toThrow(message);
  });

  it("revoke a token", async () => {
    const sandbox = createSandbox();
    const client = createClient(ManagementService, sandbox.transport);
    sandbox.revokeToken(sandbox.token);
    const error = await client.bulkRemoveUserGrant({}).catch((reason: unknown) => reason);
    expect(describeError(error).id).toBe("AUTH-7fs1e");
  });

  it("expire a token by the sandbox's clock", async () => {
    let now = 0;
    const sandbox = createSandbox({ now: () => now });
    const client = createClient(ManagementService, sandbox.transport);
    const { userId } = sandbox.addUser({ roles: ["IAM_OWNER"] });
    const token = sandbox.addToken({ userId, expiresInMs: 1_000 });
    const headers = { authorization: `Bearer ${token}` };
    const probe = async () =>
      describeError(await client.bulkRemoveUserGrant({}, { headers }).catch((error) => error)).id;
    now = 999;
    expect(await probe()).toBe("COMMAND-5M0sd");
    now = 1_000;
    expect(await probe()).toBe("AUTH-7fs1e");
  });
});

describe("the transport in memory", () => {
  it("adds the sandbox's token and organization where a call has none", async () => {
    const sandbox = createSandbox();
    const client = createClient(ManagementService, sandbox.transport);
    const { orgId } = sandbox.addOrg();
    const stranger = sandbox.addUser({ orgId, roles: ["ORG_OWNER"] });
    const idOf = async (headers: Record<string, string>) =>
      describeError(await client.bulkRemoveUserGrant({}, { headers }).catch((error) => error)).id;
    const authorization = `Bearer ${stranger.token}`;
    expect(await idOf({})).toBe("COMMAND-5M0sd");
    expect(await idOf({ authorization })).toBe("AUTHZ-cdgFk");
    // Without an organization, a call goes to the one that its user belongs to.
    expect(await idOf({ authorization, "x-zitadel-orgid": "" })).toBe("COMMAND-5M0sd");
  });
});

describe("the transport in memory, as any other,", () => {
  it("accepts limits of any number of milliseconds, and rejects other values", async () => {
    const client = createClient(ManagementService, createSandbox().transport);
    const codeOf = async (timeoutMs: number) =>
      await client.bulkRemoveUserGrant({}, { timeoutMs }).catch(({ code }) => code as Code);
    expect(await codeOf(9_000.5)).toBe(Code.InvalidArgument);
    expect(await codeOf(Number.POSITIVE_INFINITY)).toBe(Code.InvalidArgument);
    await expect(client.deactivateUserGrant({}, { timeoutMs: Number.NaN })).rejects.toThrow(
      /timeoutMs must be a number/,
    );
  });

  it("is ended by close()", async () => {
    const { transport } = createSandbox();
    close(transport);
    const call = createClient(ManagementService, transport).bulkRemoveUserGrant({});
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
  });
});

describe("options", () => {
  it.each([null, 5, "x", []])("%j in their place is rejected", async (options) => {
    await expect(startSandbox(options as never)).rejects.toThrow(/options must be an object; got/);
  });

  it.each([
    [{ generaton: "v4" }, "did you mean generation?"],
    [{ generation: "v3" }, 'generation must be "v4" or "v2.70"; got "v3"'],
    [
      { token: "a b" },
      "token must be printable ASCII without spaces; got a string of 3 characters with a space",
    ],
    [{ hosts: [] }, "at least one host name"],
    [{ hosts: ["localhost:80"] }, "without ports"],
    [{ requestLatencyMs: -1 }, "got -1"],
    [{ idLatencyMs: Number.NaN }, "got NaN"],
    [{ port: 65_536 }, "0 to 65535; got 65536"],
  ])("%j is rejected", async (options, message) => {
    await expect(startSandbox(options as object)).rejects.toThrow(message);
    expect(() => createSandbox(options as object)).toThrow(TypeError);
  });

  it("that are undefined are not given", () => {
    const sandbox = createSandbox({ token: undefined, orgId: undefined, generation: undefined });
    expect(sandbox.orgId).toMatch(/^\d{18}$/);
  });
});
