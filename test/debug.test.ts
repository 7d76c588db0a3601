import { inspect } from "node:util";
import { create, fromJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { type DebugEvent, debug } from "../src/debug.js";
import { createManagementClient as createGrpcClient } from "../src/grpc.js";
import { createManagementClient as createGrpcWebClient } from "../src/grpc-web.js";
import { createManagementClient as createJsonClient } from "../src/json.js";
import { startSandbox } from "../src/sandbox/index.js";

describe.each([
  ["grpc", createGrpcClient],
  ["grpc-web", createGrpcWebClient],
  ["json", createJsonClient],
] as const)("over %s", (_, create) => {
  async function start(log: (event: DebugEvent) => void, token?: () => string) {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const { baseUrl, orgId } = sandbox;
    const client = create({ baseUrl, orgId, token: token ?? sandbox.token, debug: debug(log) });
    return { sandbox, client };
  }

  it("shows request and response, with the token masked", async () => {
    const events: DebugEvent[] = [];
    const { sandbox, client } = await start((event) => events.push(event));
    const grant = sandbox.addGrant();
    await client.deactivateUserGrant(grant);
    expect(events.map(({ type }) => type)).toEqual([
      "request",
      "message",
      "response",
      "message",
      "end",
    ]);
    expect(events[0]).toMatchObject({
      method: "zitadel.management.v1.ManagementService/DeactivateUserGrant",
      header: { authorization: "Bearer ***", "x-zitadel-orgid": sandbox.orgId },
    });
    expect(events[1]).toMatchObject({ from: "client", message: grant });
    expect(inspect(events, { depth: 10 })).not.toContain(sandbox.token);
  });

  it("shows each attempt of a call, and ZITADEL's error", async () => {
    const events: DebugEvent[] = [];
    const tokens = ["wrong-1", "wrong-2"];
    const { client } = await start(
      (event) => events.push(event),
      () => tokens.shift() ?? "wrong-3",
    );
    await expect(client.bulkRemoveUserGrant({ grantId: ["1"] })).rejects.toThrow();
    expect(
      events.map(({ type, attempt }) => `${type} ${attempt - (events[0]?.attempt ?? 0)}`),
    ).toEqual(["request 0", "message 0", "error 0", "request 1", "message 1", "error 1"]);
    expect(events[2]).toMatchObject({ code: 16, metadata: { "x-request-id": expect.any(String) } });
    expect(inspect(events, { depth: 10 })).not.toMatch(/wrong-/);
  });

  it("continues when the log throws", async () => {
    const { sandbox, client } = await start(() => {
      throw new Error("the disk is full");
    });
    await client.deactivateUserGrant(sandbox.addGrant());
  });
});

it("shows no secret that is in a message, nor where it is repeated", async () => {
  const events: DebugEvent[] = [];
  const secrets = { password: "pa55word-1", client: { clientSecret: "s3cret-2" }, keys: ["k3y-3"] };
  const shown = { userId: "1", keyId: "2", roleKeys: ["viewer"], passwordChangeRequired: true };
  const request = {
    stream: false,
    service: { typeName: "acme.v1.Users" },
    method: { name: "AddUser", input: StructSchema, output: StructSchema },
    url: "https://acme.example/AddUser",
    header: new Headers(),
    message: create(StructSchema, fromJson(StructSchema, { ...secrets, ...shown })),
  };
  const next = async () => {
    throw new ConnectError("pa55word-1, s3cret-2 and k3y-3 are too short", Code.InvalidArgument);
  };
  const intercepted = debug((event) => events.push(event))(next);
  await expect(intercepted(request as never)).rejects.toThrow("pa55word-1");
  expect(events[1]).toMatchObject({
    message: { password: "***", client: { clientSecret: "***" }, keys: ["***"], ...shown },
  });
  expect(events[2]).toMatchObject({ message: "***, *** and *** are too short" });
  expect(inspect(events, { depth: 10 })).not.toMatch(/pa55|s3cret|k3y/);
});

it("without a function is rejected: nothing would be shown", () => {
  expect(() => debug(undefined as never)).toThrow("debug: log must be a function; got undefined");
});
