import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  AuthorizationFieldName,
  AuthorizationService,
  type AuthorizationsSearchFilterSchema,
} from "../../gen/tool/authorization_pb.js";
import { ManagementService } from "../../gen/tool/management_pb.js";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import { describeError } from "../../src/index.js";
import * as json from "../../src/json.js";
import { type Generation, type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

const protocols = { grpc, "grpc-web": grpcWeb, json };

async function open(generation: Generation = "v4") {
  const sandbox = await startSandbox({ generation });
  const transports: Transport[] = [];
  onTestFinished(() => {
    for (const transport of transports) {
      grpc.close(transport);
    }
    return sandbox.close();
  });
  const transportOf = (name: keyof typeof protocols) => {
    const transport = protocols[name].createTransport({ ...connection(sandbox), retry: false });
    transports.push(transport);
    return transport;
  };
  return { sandbox, transportOf };
}

function connection({ baseUrl, token, orgId }: SandboxServer) {
  return { baseUrl, token, orgId };
}

async function failure(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("went well"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return [Code[error.code], describeError(error).id];
}

describe("a list of grants", () => {
  it("has no order: pages repeat rows and leave others out, the same ones each time", async () => {
    const { sandbox, transportOf } = await open();
    const all = Array.from({ length: 250 }, () => sandbox.addGrant().grantId);
    const client = createClient(ManagementService, transportOf("grpc"));
    const page = async (offset: number, limit: number) => {
      const { result, details } = await client.listUserGrants({
        query: { offset: BigInt(offset), limit, asc: true },
      });
      expect(details?.totalResult).toBe(250n);
      return result.map(({ id }) => id);
    };
    for (const limit of [10, 100, 249]) {
      const read: string[] = [];
      for (let offset = 0; offset < 250; offset += limit) {
        read.push(...(await page(offset, limit)));
      }
      expect(read).toHaveLength(250);
      expect(new Set(read).size).toBeLessThan(250);
      expect(await page(limit, limit)).toEqual(read.slice(limit, 2 * limit));
    }
    expect((await page(0, 20)).slice(0, 10)).not.toEqual(await page(0, 10));
    expect((await page(0, 1000)).sort()).toEqual(all.sort());
  });

  const grants = 45_000;
  it.each<[Generation, Record<keyof typeof protocols, "whole" | "too large">]>([
    ["v4", { grpc: "too large", "grpc-web": "too large", json: "too large" }],
    ["v2.70", { grpc: "whole", "grpc-web": "whole", json: "too large" }],
  ])(
    "is cut off at the size that %s can send",
    { timeout: 60_000 },
    async (generation, expected) => {
      const { sandbox, transportOf } = await open(generation);
      for (let index = 0; index < grants; index++) {
        sandbox.addGrant({ userId: `u${index % 1000}` });
      }
      for (const name of ["grpc", "grpc-web", "json"] as const) {
        const client = createClient(ManagementService, transportOf(name));
        const list = client.listUserGrants({ query: { limit: grants + 1 } });
        if (expected[name] === "whole") {
          expect((await list).result).toHaveLength(grants);
        } else {
          expect(await failure(list)).toEqual(["ResourceExhausted", undefined]);
          const { result } = await client.listUserGrants({ query: { limit: 5000 } });
          expect(result).toHaveLength(5000);
        }
      }
    },
  );
});

describe("ListAuthorizations", () => {
  const sortedById = { sortingColumn: AuthorizationFieldName.ID };

  it.each(["grpc", "grpc-web", "connect"] as const)(
    "over %s is complete by id, in pages of at most 1,000",
    async (name) => {
      const { sandbox, transportOf } = await open();
      const all = Array.from({ length: 2500 }, () => sandbox.addGrant().grantId);
      const { baseUrl, token } = sandbox;
      const headers = { authorization: `Bearer ${token}` };
      const transport =
        name === "connect"
          ? createConnectTransport({ baseUrl, httpVersion: "1.1" })
          : transportOf(name);
      const client = createClient(AuthorizationService, transport);
      const read: string[] = [];
      while (read.length < 2500) {
        const { authorizations, pagination } = await client.listAuthorizations(
          { ...sortedById, pagination: { offset: BigInt(read.length), limit: 1000, asc: true } },
          { headers },
        );
        expect(pagination?.totalResult).toBe(2500n);
        read.push(...authorizations.map(({ id }) => id));
      }
      expect(read).toEqual(all.sort());
      const beyond = client.listAuthorizations({ pagination: { limit: 1001 } }, { headers });
      expect(await failure(beyond)).toEqual(["InvalidArgument", "QUERY-4M0fs"]);
    },
  );

  it("needs no permission, and shows what the caller may see", async () => {
    const { sandbox, transportOf } = await open();
    const { projectId } = sandbox.addProject();
    const { userId, token } = sandbox.addUser();
    const limited = sandbox.addUser({ roles: [{ role: "PROJECT_OWNER_VIEWER", projectId }] });
    const own = sandbox.addGrant({ userId }).grantId;
    const ofProject = sandbox.addGrant({ projectId }).grantId;
    const elsewhere = sandbox.addGrant({ orgId: sandbox.addOrg().orgId }).grantId;
    const client = createClient(AuthorizationService, transportOf("grpc"));
    const seenBy = async (who: string) => {
      const { authorizations, pagination } = await client.listAuthorizations(
        {},
        { headers: { authorization: `Bearer ${who}` } },
      );
      return [pagination?.totalResult, authorizations.map(({ id }) => id)];
    };
    expect(await seenBy(token)).toEqual([3n, [own]]);
    expect(await seenBy(limited.token)).toEqual([3n, [ofProject]]);
    expect(await seenBy(sandbox.token)).toEqual([3n, [elsewhere, ofProject, own]]);
  });

  it("takes thousands of ids, and leaves unknown ones out", async () => {
    const { sandbox, transportOf } = await open();
    const { grantId } = sandbox.addGrant({ state: "inactive" });
    const ids = [grantId, ...Array.from({ length: 4999 }, (_, index) => `x${index}`)];
    const client = createClient(AuthorizationService, transportOf("grpc-web"));
    const { authorizations } = await client.listAuthorizations({
      filters: [{ filter: { case: "authorizationIds", value: { ids } } }],
    });
    expect(authorizations.map(({ id }) => id)).toEqual([grantId]);
  });

  it.each<MessageInitShape<typeof AuthorizationsSearchFilterSchema>>([
    { filter: { case: "state", value: {} } },
    { filter: { case: "userPreferredLoginName", value: {} } },
    { filter: { case: "userDisplayName", value: {} } },
    { filter: { case: "projectName", value: { name: "x".repeat(201) } } },
    {},
  ])("rejects %j", async (filter) => {
    const { transportOf } = await open();
    const client = createClient(AuthorizationService, transportOf("grpc"));
    const call = client.listAuthorizations({ filters: [filter] });
    expect(await failure(call)).toEqual(["InvalidArgument", undefined]);
  });

  it.each(["grpc", "grpc-web"] as const)("is unknown to v2.70 over %s", async (name) => {
    const { transportOf } = await open("v2.70");
    const client = createClient(AuthorizationService, transportOf(name));
    expect(await failure(client.listAuthorizations({}))).toEqual(["Unimplemented", undefined]);
  });
});
