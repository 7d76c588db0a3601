import { createClient } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { ManagementService as LookupService } from "../../gen/tool/management_pb.js";
import * as grpc from "../../src/grpc.js";
import { describeError } from "../../src/index.js";
import { type SandboxServerOptions, startSandbox } from "../../src/sandbox/index.js";

async function open(options: SandboxServerOptions = {}) {
  const sandbox = await startSandbox(options);
  const { baseUrl, token } = sandbox;
  const transport = grpc.createTransport({ baseUrl, token, retry: false });
  const client = grpc.createManagementClient({ baseUrl, token, retry: false });
  onTestFinished(() => {
    grpc.close(transport);
    grpc.close(client);
    return sandbox.close();
  });
  const lookup = createClient(LookupService, transport);
  /** The row of a grant, as a search shows it. */
  const row = async (grantId: string) => {
    const { result } = await lookup.listUserGrants({});
    const found = result.find(({ id }) => id === grantId);
    return found && [found.state === 1 ? "active" : "inactive", found.details?.sequence];
  };
  return { sandbox, client, lookup, row };
}

const idOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => describeError(error).id,
  );

describe("the read model", () => {
  it("lags behind by projectionDelayMs; reading one grant brings it up to date", async () => {
    let now = 1_000_000;
    const { sandbox, client, lookup, row } = await open({
      projectionDelayMs: 50,
      now: () => now,
    });
    const { grantId, userId } = sandbox.addGrant();
    expect(await row(grantId)).toBeUndefined();
    now += 49;
    expect(await row(grantId)).toBeUndefined();
    now += 1;
    expect(await row(grantId)).toEqual(["active", 1n]);
    await client.bulkRemoveUserGrant({ grantId: [grantId] });
    expect(await row(grantId)).toEqual(["active", 1n]);
    expect(await idOf(client.bulkRemoveUserGrant({ grantId: [grantId] }))).toBe("COMMAND-1My0t");
    expect(await idOf(lookup.getUserGrantByID({ userId, grantId }))).toBe("QUERY-wIPkA");
    expect(await row(grantId)).toBeUndefined();
  });

  it("misses a deactivation for good; the response's sequence shows it, and a later pair mends it", async () => {
    const { sandbox, client, lookup, row } = await open();
    const { projectId } = sandbox.addProject({ roleKeys: ["reader"] });
    const { token, userId } = sandbox.addUser();
    const grant = sandbox.addGrant({ userId, projectId, roleKeys: ["reader"] });
    const scopes = [
      "openid",
      "urn:zitadel:iam:org:projects:roles",
      `urn:zitadel:iam:org:project:id:${projectId}:aud`,
    ];
    const ofUser = sandbox.addToken({ userId, scopes });
    const roles = async () => {
      const response = await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, {
        headers: { authorization: `Bearer ${ofUser}` },
      });
      const claims = (await response.json()) as Record<string, object>;
      return Object.keys(claims[`urn:zitadel:iam:org:project:${projectId}:roles`] ?? {});
    };
    expect(token).not.toBe(ofUser);
    expect(await roles()).toEqual(["reader"]);
    sandbox.skipNextProjections(1);
    expect((await client.deactivateUserGrant(grant)).details?.sequence).toBe(2n);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    expect(await row(grant.grantId)).toEqual(["active", 1n]);
    expect(await roles()).toEqual(["reader"]);
    // Another one changes nothing, and returns what the write side has.
    expect((await client.deactivateUserGrant(grant)).details?.sequence).toBe(2n);
    expect(await row(grant.grantId)).toEqual(["active", 1n]);
    await lookup.reactivateUserGrant(grant);
    await client.deactivateUserGrant(grant);
    expect(await row(grant.grantId)).toEqual(["inactive", 4n]);
    expect(await roles()).toEqual([]);
  });

  it("misses an added grant and a removal for good", async () => {
    const { sandbox, client, lookup, row } = await open();
    const { userId } = sandbox.addUser();
    sandbox.skipNextProjections(1);
    const { userGrantId } = await lookup.addUserGrant({ userId, projectId: sandbox.projectId });
    expect(await row(userGrantId)).toBeUndefined();
    await client.deactivateUserGrant({ userId, grantId: userGrantId });
    expect(await row(userGrantId)).toBeUndefined();
    const { grantId } = sandbox.addGrant();
    sandbox.skipNextProjections(1);
    await client.bulkRemoveUserGrant({ grantId: [grantId] });
    expect(sandbox.grant(grantId)).toBeUndefined();
    expect(await row(grantId)).toEqual(["active", 1n]);
  });

  it("misses a share of the changes that overlap, the same ones for the same seed, and no others", async () => {
    const missed = async (atATime: number, projectionSkipSeed: number) => {
      const { sandbox, client, lookup } = await open({
        projectionSkipRate: 0.3,
        projectionSkipSeed,
      });
      const grants = Array.from({ length: 60 }, () => sandbox.addGrant());
      for (let at = 0; at < grants.length; at += atATime) {
        const some = grants.slice(at, at + atATime);
        await Promise.all(some.map((grant) => client.deactivateUserGrant(grant)));
      }
      expect(grants.every(({ grantId }) => sandbox.grant(grantId)?.state === "inactive")).toBe(
        true,
      );
      const { result } = await lookup.listUserGrants({});
      return result.filter(({ state }) => state === 1).length;
    };
    expect(await missed(1, 1)).toBe(0);
    const some = await missed(10, 1);
    expect(some).toBeGreaterThan(0);
    expect(await missed(10, 1)).toBe(some);
  });

  it.each([-1, 0.5, "1"])("skipNextProjections rejects %j", async (value) => {
    const { sandbox } = await open();
    expect(() => sandbox.skipNextProjections(value as number)).toThrow("integer from 0");
  });
});

it("a request whose response was lost is applied later, after one that removes one of its grants", async () => {
  let now = 1_000_000;
  const { sandbox, client } = await open({ now: () => now });
  const [a, b] = [sandbox.addGrant().grantId, sandbox.addGrant().grantId];
  sandbox.failNext({ lost: true, applyAfterMs: 5000 });
  await expect(client.bulkRemoveUserGrant({ grantId: [a, b] })).rejects.toThrow();
  expect(sandbox.grant(a)).toBeDefined();
  await client.bulkRemoveUserGrant({ grantId: [a] });
  expect(sandbox.grant(b)).toBeDefined();
  now += 5000;
  expect(sandbox.grant(b)).toBeUndefined();
});

it("two removals that overlap both succeed, also without any latency", async () => {
  for (const options of [{}, { requestLatencyMs: 50 }]) {
    const { sandbox, client } = await open(options);
    const grantId = Array.from({ length: 3 }, () => sandbox.addGrant().grantId);
    const remove = () => client.bulkRemoveUserGrant({ grantId });
    await Promise.all([remove(), remove()]);
    expect(grantId.map(sandbox.grant)).toEqual([undefined, undefined, undefined]);
    expect(await idOf(remove())).toBe("COMMAND-1My0t");
  }
});
