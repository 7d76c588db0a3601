import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { mayHaveBeenApplied } from "../../../src/errors/certainty.js";
import { describeError } from "../../../src/errors/describe.js";
import { frame } from "../../faults/exchange.js";
import { okResponse, respond, startHttpServer } from "../../support/http-server.js";
import { createClient, failureOf } from "../../support/protocols.js";

// What is wrong with responses is in test/faults/: here is what the errors say.

const request = { grantId: ["1"] };

/** The error of a call that gets this response. */
async function errorOf(body: Buffer | string, headers: Record<string, string> = {}) {
  const { baseUrl } = await startHttpServer((_, response) => respond(response, body, headers));
  return await failureOf(createClient("grpc-web", { baseUrl }).bulkRemoveUserGrant(request));
}

it("a call posts one frame to the method's path, under the prefix of baseUrl", async () => {
  let body: Buffer = Buffer.alloc(0);
  const { baseUrl, requests } = await startHttpServer((_, response, received) => {
    body = received;
    respond(response, okResponse);
  });
  const client = createClient("grpc-web", { baseUrl: `${baseUrl}/prefix/` });
  await client.bulkRemoveUserGrant(request, { timeoutMs: 5000 });
  expect(requests[0]).toMatchObject({
    method: "POST",
    url: "/prefix/zitadel.management.v1.ManagementService/BulkRemoveUserGrant",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
  });
  expect(requests[0]?.headers["grpc-timeout"]).toBeUndefined();
  expect(body).toEqual(frame(0, Buffer.from([0x0a, 1, 0x31])));
});

it("a page is described where fetch provides no stream, as in React Native", async () => {
  const client = createClient("grpc-web", {
    baseUrl: "https://example.com",
    fetch: async () => {
      const page = new Response("a login page", { headers: { "content-type": "text/html" } });
      return Object.defineProperty(page, "body", { value: undefined });
    },
  });
  const error = await failureOf(client.bulkRemoveUserGrant(request));
  expect(error.message).toMatch(/^(?!.*a login page).*text\/html/);
});

describe("a response", () => {
  const status = (text: string) => frame(128, text);
  const afterMessage = (...frames: Buffer[]) => Buffer.concat([frame(0, ""), ...frames]);

  it.each<[string, Buffer | string, Code, RegExp]>([
    [
      "a line break before the status",
      afterMessage(status("grpc-status:\n0\r\n")),
      13,
      /malformed trail/,
    ],
    ["a status that is no number", status("grpc-status: ok\r\n"), 13, /grpc-status is "ok"/],
    ["a message and no trailers", frame(0, ""), 13, /no status/],
    ["an OK without a message", status("grpc-status: 0\r\n"), 12, /no message/],
    ["two messages", afterMessage(okResponse), 12, /second message/],
    [
      "data after the trailers",
      Buffer.concat([okResponse, frame(0, "")]),
      13,
      /after the trailers/,
    ],
    ["a compressed message", frame(1, ""), 13, /flags 1/],
    ["a message that is cut off", Buffer.from([0, 0, 0, 0, 9, 1]), 13, /cut off/],
    [
      "escapes that are none",
      status("grpc-status: 5\r\ngrpc-message: 100%zz %E4 %C3%A4\r\n"),
      5,
      /^100%zz \ufffd ä$/,
    ],
  ])("with %s has its code and text", async (_, body, code, text) => {
    const error = await errorOf(body);
    expect(Code[error.code]).toBe(Code[code]);
    expect(error.rawMessage).toMatch(text);
  });

  it("with an error in its headers is that error, unless a message or another status follows", async () => {
    const headers = { "grpc-status": "5", "grpc-message": "gone" };
    for (const body of ["", status(""), status("x-other: 1\r\n")]) {
      const error = await errorOf(body, headers);
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "gone" });
      expect(mayHaveBeenApplied(error)).toBe(false);
    }
    for (const body of [okResponse, afterMessage(), frame(0, Buffer.of(255))]) {
      const error = await errorOf(body, headers);
      expect(error.code).toBe(Code.Internal);
      expect(mayHaveBeenApplied(error)).toBe(true);
    }
    const { code } = await errorOf(status("grpc-status: 7\r\n"), headers);
    expect(code).toBe(Code.PermissionDenied);
  });

  it("keeps code and message when its details do not decode or contradict the status", async () => {
    const ok = Buffer.from([8, 0]).toString("base64");
    const other = Buffer.from([8, 7, 18, 1, 0x78]).toString("base64");
    for (const details of ["!!!", "/////w", ok, other]) {
      const error = await errorOf("", {
        "grpc-status": "5",
        "grpc-message": "gone",
        "grpc-status-details-bin": details,
      });
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "gone", details: [] });
    }
  });

  it("of status 0 with details of an error is not a success", async () => {
    const details = Buffer.from([8, 7]).toString("base64");
    const body = afterMessage(status(`grpc-status: 0\r\ngrpc-status-details-bin: ${details}\r\n`));
    expect((await errorOf(body)).code).toBe(Code.Internal);
  });

  it("is read in one pass, whatever its trailers hold", async () => {
    // Half a minute and more, if each space were tried as the last one.
    const message = `x${" ".repeat(300_000)}y`;
    const error = await errorOf(status(`grpc-status: 5\r\ngrpc-message: ${message} \r\n`));
    expect(error.rawMessage).toBe(message);
  }, 5_000);

  it("exposes the request id, from an error in the trailers too", async () => {
    const error = await errorOf(status("grpc-status: 5\r\n"), { "x-request-id": "r-2" });
    expect(describeError(error).requestId).toBe("r-2");
  });
});

describe("a call", () => {
  it.each([
    ["a text", () => AbortSignal.abort("no"), "no", 0],
    ["nothing", () => AbortSignal.abort(), { name: "AbortError" }, 0],
    ["a timeout", () => AbortSignal.timeout(100), { name: "TimeoutError" }, 1],
  ])("that is aborted with %s is Canceled, with that as cause", async (_, abort, cause, sent) => {
    const { baseUrl, requests } = await startHttpServer(() => undefined);
    const client = createClient("grpc-web", { baseUrl });
    const signal = abort();
    const error = await failureOf(client.bulkRemoveUserGrant(request, { signal }));
    expect(error.code).toBe(Code.Canceled);
    expect(error.cause).toBe(signal.reason);
    expect({ cause: error.cause }).toMatchObject({ cause });
    expect(requests).toHaveLength(sent);
  });

  it("has no deadline where its timeout is 0, or longer than timers can wait", async () => {
    const { baseUrl } = await startHttpServer((_, response) => respond(response, okResponse));
    const client = createClient("grpc-web", { baseUrl });
    await client.bulkRemoveUserGrant(request, { timeoutMs: 2 ** 40 });
    await client.bulkRemoveUserGrant(request, { timeoutMs: 0 });
    const call = client.bulkRemoveUserGrant(request, { timeoutMs: Number.NaN });
    expect((await failureOf(call)).code).toBe(Code.InvalidArgument);
  });
});
