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
    const owner = {
      headers: { authorization: `Bearer ${sandbox.token}`, "x-zitadel-orgid": sandbox.orgId },
    };
    return { sandbox, client, owner };
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

  it("lets both of two removals succeed that overlap", async () => {
    const { sandbox, client, owner } = await open({ requestLatencyMs: 50 });
    const grantId = Array.from({ length: 3 }, () => sandbox.addGrant().grantId);
    const remove = () => client.bulkRemoveUserGrant({ grantId }, owner);
    await Promise.all([remove(), remove()]);
    expect(grantId.map(sandbox.grant)).toEqual([undefined, undefined, undefined]);
    expect(await errorOf(remove())).toEqual([Code.NotFound, "COMMAND-1My0t"]);
  });
});
