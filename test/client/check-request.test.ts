import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { BulkRemoveUserGrantRequestSchema } from "../../gen/zitadel/management_pb.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { createClient, protocols } from "../support/protocols.js";

class RequestOfAccessors {
  get grantId(): string[] {
    return "4711" as never;
  }
}

describe.each(protocols)("over %s", (protocol) => {
  it("rejects ids of another type before anything is sent", async () => {
    const client = createClient(protocol, { baseUrl: "http://localhost:1", token: "t" });
    const remove = (grantId: unknown) =>
      client.bulkRemoveUserGrant({ grantId } as { grantId: string[] });
    const deactivate = (request: unknown) => client.deactivateUserGrant(request as object);
    for (const [call, message] of [
      [remove("4711"), /grantId must be an array of strings, got a string of 4 characters/],
      [remove(new Set(["1"])), /grantId must be an array of strings, got a value of type object/],
      [client.bulkRemoveUserGrant(new RequestOfAccessors()), /grantId must be an array of strings/],
      [remove(null), /grantId must be an array of strings, got null/],
      [remove(["1", 2]), /grantId\[1\] must be a string, got a value of type number/],
      [remove([undefined]), /grantId\[0\] must be a string/],
      [remove(Array(1)), /grantId\[0\] must be a string/],
      [deactivate(undefined), /the request must be an object, got nothing/],
      [deactivate("4711"), /the request must be an object, got a string/],
      [deactivate({ grantId: 4711, userId: "1" }), /grantId must be a string/],
      [deactivate({ grantId: "1", userId: ["1"] }), /userId must be a string, got an array/],
    ] as const) {
      await expect(call).rejects.toMatchObject({ code: Code.InvalidArgument });
      await expect(call).rejects.toThrow(message);
    }
  });

  it("accepts arrays of strings, and messages", async () => {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const client = createClient(protocol, { baseUrl: sandbox.baseUrl, token: sandbox.token });
    const [a, b, c] = [sandbox.addGrant(), sandbox.addGrant(), sandbox.addGrant()];
    await client.bulkRemoveUserGrant({ grantId: [a.grantId] });
    await client.bulkRemoveUserGrant(
      create(BulkRemoveUserGrantRequestSchema, { grantId: [b.grantId] }),
    );
    await client.deactivateUserGrant(c);
    expect([a, b].some(({ grantId }) => sandbox.grant(grantId))).toBe(false);
  });
});
