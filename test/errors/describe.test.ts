import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorDetailSchema as ErrorDetailV2Schema } from "../../gen/zitadel/error/v2/error_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import { describeError, isGrantInactive, isGrantNotFound } from "../../src/errors/describe.js";

type Detail = { type: string; value: Uint8Array };

function callError(code: Code, message: string, details: Detail[], metadata = {}): ConnectError {
  const error = new ConnectError(message, code, metadata);
  error.details = details;
  return error;
}

const v1 = (id: string, message: string): Detail => ({
  type: "zitadel.v1.ErrorDetail",
  value: toBinary(ErrorDetailSchema, create(ErrorDetailSchema, { id, message })),
});
const v2 = (slug: string, message: string): Detail => ({
  type: "zitadel.error.v2.ErrorDetail",
  value: toBinary(ErrorDetailV2Schema, create(ErrorDetailV2Schema, { slug, message })),
});
const unknown: Detail = { type: "google.rpc.RetryInfo", value: new Uint8Array([10, 2, 8, 1]) };
const malformed: Detail = { type: "zitadel.v1.ErrorDetail", value: new Uint8Array([255, 255]) };

describe("describeError", () => {
  it("returns code, id, message and request id", () => {
    const error = callError(
      Code.NotFound,
      "User grant not found (COMMAND-3M9sd)",
      [v1("COMMAND-3M9sd", "User grant not found")],
      { "x-request-id": "dc192ghksduf0872ei3g" },
    );
    expect(describeError(error)).toEqual({
      code: Code.NotFound,
      id: "COMMAND-3M9sd",
      message: "User grant not found",
      requestId: "dc192ghksduf0872ei3g",
      mayHaveBeenApplied: false,
    });
  });

  it("ignores details that are unknown or do not decode", () => {
    const error = callError(Code.NotFound, "x", [unknown, malformed, v1("", ""), v1("A-1", "y")]);
    expect(describeError(error)).toMatchObject({ id: "A-1", message: "y" });
    expect(describeError(callError(Code.NotFound, "x", [malformed]))).toEqual({
      code: Code.NotFound,
      id: undefined,
      message: "x",
      requestId: undefined,
      mayHaveBeenApplied: true,
    });
  });

  it("reads the details of newer endpoints", () => {
    const error = callError(Code.NotFound, "x", [v2("PROJECT-1", "no such project")]);
    expect(describeError(error)).toMatchObject({ id: "PROJECT-1", message: "no such project" });
  });

  it("does not take an id out of the message", () => {
    const error = callError(Code.NotFound, "User grant not found (COMMAND-1My0t)", []);
    expect(describeError(error).id).toBeUndefined();
    expect(isGrantNotFound(error)).toBe(false);
  });

  it.each([undefined, null, "text", 7, new Error("plain"), { code: 5 }])(
    "accepts %s, which is not an error of a call",
    (value) => {
      expect(describeError(value)).toMatchObject({ code: Code.Unknown, id: undefined });
      expect(isGrantNotFound(value)).toBe(false);
      expect(isGrantInactive(value)).toBe(false);
    },
  );
});

describe("describeError, given an error that cannot be read,", () => {
  const throwing = new Proxy(new Error("x"), {
    get() {
      throw new Error("not to be read");
    },
  });
  const copied = Object.assign(new Error("x"), {
    name: "ConnectError",
    code: Code.NotFound,
    rawMessage: "gone",
    metadata: {},
    details: [],
    cause: undefined,
  });
  it.each([
    ["an object without prototype", Object.create(null)],
    ["an object that throws when it is read", throwing],
    ["an error with a name only", copied],
    ["a symbol", Symbol("x")],
  ])("never throws: %s", (_, value) => {
    expect(describeError(value).code).toBe(Code.Unknown);
    expect(isGrantNotFound(value)).toBe(false);
  });

  it("reads valid details beside malformed ones", () => {
    const error = callError(Code.NotFound, "x", [null as never, v1("COMMAND-3M9sd", "gone")]);
    expect(describeError(error)).toMatchObject({ code: Code.NotFound, id: "COMMAND-3M9sd" });
  });
});

describe("the predicates", () => {
  it("distinguish a grant that is gone from the other meanings of NotFound", () => {
    expect(isGrantNotFound(callError(Code.NotFound, "", [v1("COMMAND-3M9sd", "")]))).toBe(true);
    expect(isGrantNotFound(callError(Code.NotFound, "", [v1("COMMAND-1My0t", "")]))).toBe(true);
    expect(isGrantNotFound(callError(Code.NotFound, "", [v1("AUTHZ-cdgFk", "")]))).toBe(false);
    expect(isGrantNotFound(callError(Code.NotFound, "unable to set instance", []))).toBe(false);
  });

  it("recognize an inactive grant by the error id of older servers", () => {
    expect(isGrantInactive(callError(Code.FailedPrecondition, "", [v1("COMMAND-1S9gx", "")]))).toBe(
      true,
    );
    expect(isGrantInactive(callError(Code.FailedPrecondition, "", [v1("OTHER-1", "")]))).toBe(
      false,
    );
  });
});
