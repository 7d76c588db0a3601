import { inspect } from "node:util";
import { create, fromJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { type DebugEvent, debug } from "../src/debug.js";
import { startSandbox } from "../src/sandbox/index.js";
import { createClient, protocols } from "./support/protocols.js";

describe.each(protocols)("over %s", (protocol) => {
  async function start(log: (event: DebugEvent) => unknown, token?: () => string) {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const { baseUrl, orgId } = sandbox;
    const client = createClient(protocol, {
      baseUrl,
      orgId,
      token: token ?? sandbox.token,
      debug: debug(log, { messages: true }),
    });
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

  it.each([
    [
      "throws",
      () => {
        throw new Error("the disk is full");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("the disk is full");
      },
    ],
  ])("continues when the log %s", async (_, log) => {
    const { sandbox, client } = await start(log);
    await client.deactivateUserGrant(sandbox.addGrant());
    // A rejection that nobody handles would fail the test.
    await new Promise(setImmediate);
  });
});

it("shows neither queries nor messages unless asked for", () => {
  const shownWith = (options: { messages?: boolean }) => {
    const events: DebugEvent[] = [];
    const seen = debug(
      (event) => events.push(event),
      options,
    )({
      method: {
        name: "GetUser",
        parent: { typeName: "acme.v1.Users" },
        input: StructSchema,
        output: StructSchema,
      } as never,
      url: "https://acme.example/users/1?sessionToken=s3cret#x",
      header: new Headers(),
      secrets: [],
    });
    seen.onMessage(
      "client",
      create(StructSchema, fromJson(StructSchema, { sessionToken: "s3cret" })),
    );
    seen.onError(new ConnectError("no", Code.InvalidArgument, { "x-request-id": "r-1" }));
    return events;
  };
  const events = shownWith({});
  expect(inspect(events, { depth: 10 })).not.toContain("s3cret");
  expect(events).toMatchObject([
    { type: "request", url: "https://acme.example/users/1" },
    { type: "error", code: Code.InvalidArgument, requestId: "r-1" },
  ]);
  expect(shownWith({ messages: true })[1]).toMatchObject({
    type: "message",
    message: { sessionToken: "s3cret" },
  });
});

it("without a function is rejected: nothing would be shown", () => {
  expect(() => debug(undefined as never)).toThrow("debug: log must be a function; got undefined");
});
