import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import { createMask, maskError } from "../../src/errors/mask.js";
import { shown } from "../security/shown.js";

const secret = "s3cret/of+a=service?user";

describe("a mask", () => {
  const mask = createMask([secret, secret.slice(0, 10), "abc"]);

  it.each([
    ["verbatim", secret],
    ["percent-encoded", encodeURIComponent(secret)],
    ["percent-encoded in lower case", encodeURIComponent(secret).toLowerCase()],
    ["base64", btoa(secret)],
    ["base64 within other text", btoa(`a${secret}bc`)],
    ["base64url within other text", Buffer.from(`ab${secret}`).toString("base64url")],
  ])("replaces a secret %s, in text and in bytes", (_, echo) => {
    expect(mask.text(`the token ${echo} is invalid`)).toMatch(
      /^the token .{0,4}\*\*\*.{0,6} is invalid$/,
    );
    const bytes = new TextEncoder().encode(echo);
    const masked = new TextDecoder().decode(mask.bytes(bytes));
    expect(masked).toHaveLength(bytes.length);
    expect(masked).toMatch(/^.{0,4}\*{20,}.{0,6}$/);
  });

  it("leaves text without secrets as it is, and secrets that every text holds", () => {
    const bytes = new Uint8Array(1000);
    expect(mask.bytes(bytes)).toBe(bytes);
    expect(mask.text("abc of a service")).toBe("abc of a service");
  });
});

describe("the error of a call", () => {
  const error = () => {
    const failed = new ConnectError(`no ${secret}`, Code.NotFound, { "x-echo": secret });
    const detail = create(ErrorDetailSchema, { id: "A-1", message: `sent: ${secret}` });
    failed.details = [
      {
        type: ErrorDetailSchema.typeName,
        value: toBinary(ErrorDetailSchema, detail),
        debug: { message: secret, [secret]: [secret] },
      },
    ];
    failed.cause = Object.assign(new Error(secret, { cause: new Error(secret) }), {
      code: "ECONNRESET",
      rawPacket: Buffer.from(secret),
      request: { headers: { authorization: secret } },
    });
    return failed;
  };

  it("shows no secret anywhere, and stays the same object", () => {
    const before = error();
    const masked = maskError(before, createMask([secret]));
    expect(masked).toBe(before);
    expect(shown(masked)).not.toContain(secret);
    expect(masked.rawMessage).toBe("no ***");
    expect(masked.findDetails(ErrorDetailSchema)).toMatchObject([
      { id: "A-1", message: `sent: ${"*".repeat(secret.length)}` },
    ]);
    expect(masked.cause).toMatchObject({ message: "***", code: "ECONNRESET" });
  });

  it("has another message where stacks are not texts", () => {
    const { prepareStackTrace } = Error;
    Error.prepareStackTrace = (_, callSites) => callSites;
    onTestFinished(() => {
      Error.prepareStackTrace = prepareStackTrace;
    });
    const error = maskError(
      new ConnectError("for secret-1", Code.Internal),
      createMask(["secret-1"]),
    );
    expect(error).toMatchObject({ rawMessage: "for ***", stack: expect.any(Array) });
  });

  it("keeps the reason that the caller aborted with", () => {
    const own = error();
    expect(maskError(own, createMask([secret]), own).message).toContain(secret);
  });
});
