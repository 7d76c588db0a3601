import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import {
  createSandbox,
  type SandboxControl,
  type SandboxOptions,
  startSandbox,
} from "../../src/sandbox/index.js";

type ManagementClient = Client<typeof ManagementService>;

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) {
    await close();
  }
});

/** The same sandbox through every way in. */
const ways: Record<
  string,
  (options?: SandboxOptions) => Promise<{ sandbox: SandboxControl; transport: Transport }>
> = {
  memory: async (options) => {
    const sandbox = createSandbox(options);
    closers.push(sandbox.close);
    return { sandbox, transport: sandbox.transport };
  },
  gRPC: (options) => started(options, (baseUrl) => createGrpcTransport({ baseUrl })),
  "gRPC-web over HTTP/1.1": (options) =>
    started(options, (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
  "gRPC-web over HTTP/2": (options) =>
    started(options, (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })),
};

async function started(
  options: SandboxOptions | undefined,
  createTransport: (baseUrl: string) => Transport,
) {
  const sandbox = await startSandbox(options);
  closers.push(sandbox.close);
  return { sandbox, transport: createTransport(sandbox.baseUrl) };
}

async function errorOf(call: Promise<unknown>): Promise<[Code, string | undefined]> {
  const error = await call.then(
    () => expect.fail("the call went well"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return [error.code, error.findDetails(ErrorDetailSchema)[0]?.id];
}

describe.each(Object.entries(ways))("through %s", (_, start) => {
  async function open(options?: SandboxOptions) {
    const { sandbox, transport } = await start(options);
    const client: ManagementClient = createClient(ManagementService, transport);
    const as = (token: string, orgId = sandbox.orgId) => ({
      headers: { authorization: `Bearer ${token}`, "x-zitadel-orgid": orgId },
    });
    return { sandbox, client, as, owner: as(sandbox.token) };
  }

  it("deactivates a grant, and responds alike for an inactive one", async () => {
    const { sandbox, client, owner } = await open();
    const grant = sandbox.addGrant({ userId: "u1" });
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
    const first = await client.deactivateUserGrant(grant, owner);
    expect(first.details).toMatchObject({ sequence: 2n, resourceOwner: sandbox.orgId });
    expect(first.details?.creationDate).toBeUndefined();
    expect(sandbox.grant(grant.grantId)).toEqual({
      userId: "u1",
      orgId: sandbox.orgId,
      projectId: sandbox.projectId,
      state: "inactive",
    });
    expect(await client.deactivateUserGrant(grant, owner)).toEqual(first);
  });

  it("rejects the deactivation of an inactive grant when it imitates an older server", async () => {
    const { sandbox, client, owner } = await open({ generation: "v2.70" });
    const grant = sandbox.addGrant({ state: "inactive" });
    expect(await errorOf(client.deactivateUserGrant(grant, owner))).toEqual([
      Code.FailedPrecondition,
      "COMMAND-1S9gx",
    ]);
  });

  it("removes all grants of a request or none", async () => {
    const { sandbox, client, owner } = await open();
    const [a, b] = [sandbox.addGrant().grantId, sandbox.addGrant({ state: "inactive" }).grantId];
    expect(await errorOf(client.bulkRemoveUserGrant({ grantId: [a, "9", b] }, owner))).toEqual([
      Code.NotFound,
      "COMMAND-1My0t",
    ]);
    expect(sandbox.grant(a)).toBeDefined();
    await client.bulkRemoveUserGrant({ grantId: [a, b, a] }, owner);
    expect([sandbox.grant(a), sandbox.grant(b)]).toEqual([undefined, undefined]);
  });

  it("reaches every row of the table of permission errors", async () => {
    const { sandbox, client, as } = await open();
    const otherOrg = sandbox.addOrg().orgId;
    const otherProject = sandbox.addProject().projectId;
    const grant = sandbox.addGrant();
    const stranger = sandbox.addUser().token;
    const viewer = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token;
    const projectOwner = sandbox.addUser({
      roles: [{ role: "PROJECT_OWNER", projectId: otherProject }],
    });
    const { userId } = projectOwner;
    const rows: [string, string, Code, string][] = [
      ["nonsense", sandbox.orgId, Code.Unauthenticated, "AUTH-7fs1e"],
      [sandbox.addToken({ userId, audience: false }), "", Code.Unauthenticated, "AUTH-7fs1e"],
      [sandbox.addToken({ userId, expiresInMs: 0 }), "", Code.Unauthenticated, "AUTH-7fs1e"],
      [sandbox.token, "999", Code.PermissionDenied, "AUTH-Bs7Ds"],
      [stranger, sandbox.orgId, Code.NotFound, "AUTHZ-cdgFk"],
      [viewer, sandbox.orgId, Code.PermissionDenied, "AUTH-5mWD2"],
      [viewer, otherOrg, Code.NotFound, "AUTHZ-cdgFk"],
      [projectOwner.token, sandbox.orgId, Code.PermissionDenied, "EVENT-Shu7e"],
      [sandbox.token, otherOrg, Code.NotFound, "COMMAND-3M9sd"],
    ];
    for (const [token, orgId, code, id] of rows) {
      const outcome = await errorOf(client.deactivateUserGrant(grant, as(token, orgId)));
      expect(outcome, `${id} in ${orgId}`).toEqual([code, id]);
    }
    expect(sandbox.grant(grant.grantId)?.state).toBe("active");
    const mine = sandbox.addGrant({ projectId: otherProject });
    await client.deactivateUserGrant(mine, as(projectOwner.token));
  });

  it("shows by an empty list whether the caller may remove grants", async () => {
    const { sandbox, client, as, owner } = await open();
    const viewer = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token;
    expect(await errorOf(client.bulkRemoveUserGrant({}, owner))).toEqual([
      Code.InvalidArgument,
      "COMMAND-5M0sd",
    ]);
    expect(await errorOf(client.bulkRemoveUserGrant({}, as(viewer)))).toEqual([
      Code.PermissionDenied,
      "AUTH-5mWD2",
    ]);
  });

  it("lets both of two removals succeed that overlap", async () => {
    const { sandbox, client, owner } = await open({ requestLatencyMs: 50 });
    const grantId = Array.from({ length: 3 }, () => sandbox.addGrant().grantId);
    const remove = () => client.bulkRemoveUserGrant({ grantId }, owner);
    await Promise.all([remove(), remove()]);
    expect(grantId.map(sandbox.grant)).toEqual([undefined, undefined, undefined]);
    expect(await errorOf(remove())).toEqual([Code.NotFound, "COMMAND-1My0t"]);
  });
});
