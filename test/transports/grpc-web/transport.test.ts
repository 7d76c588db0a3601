import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { describeError } from "../../../src/errors/describe.js";
import {
  createManagementClient,
  createTransport,
  ManagementService,
} from "../../../src/grpc-web.js";
import { frame, okResponse, respond, startHttpServer } from "../../support/http-server.js";

const request = { grantId: ["1"] };

async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => new Error("succeeded"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

/** What a client makes of one response. */
async function outcome(
  body: Buffer | string,
  headers: Record<string, string | string[]> = {},
  options = {},
): Promise<ConnectError> {
  const { baseUrl } = await startHttpServer((_, response) => respond(response, body, headers));
  const client = createManagementClient({ baseUrl, token: "secret-token", ...options });
  return await failure(client.bulkRemoveUserGrant(request));
}

describe("a call", () => {
  it("posts one frame to the method's path, under the prefix of baseUrl", async () => {
    let body: Buffer = Buffer.alloc(0);
    const { baseUrl, requests } = await startHttpServer((_, response, received) => {
      body = received;
      respond(response, okResponse, { "x-request-id": "r-1" });
    });
    const client = createManagementClient({ baseUrl: `${baseUrl}/prefix/` });
    let id: string | null = null;
    await client.bulkRemoveUserGrant(request, {
      timeoutMs: 5000,
      onHeader: (header) => {
        id = header.get("x-request-id");
      },
    });
    expect(requests[0]).toMatchObject({
      method: "POST",
      url: "/prefix/zitadel.management.v1.ManagementService/BulkRemoveUserGrant",
    });
    expect(requests[0]?.headers).toMatchObject({
      "content-type": "application/grpc-web+proto",
      "x-grpc-web": "1",
    });
    expect(requests[0]?.headers["grpc-timeout"]).toBeUndefined();
    expect(body).toEqual(frame(0, Buffer.from([0x0a, 1, 0x31])));
    expect(id).toBe("r-1");
  });
});

describe("when fetch provides no stream, as in React Native,", () => {
  const withoutStream = (body: Buffer, headers: Record<string, string>) => async () =>
    Object.defineProperty(
      new Response(new Uint8Array(body), {
        headers: { "content-type": "application/grpc-web+proto", ...headers },
      }),
      "body",
      { value: undefined },
    );
  const call = (fetch: () => Promise<Response>) =>
    createManagementClient({ baseUrl: "https://example.com", fetch }).bulkRemoveUserGrant(request);

  it("a response is read in one piece", async () => {
    await expect(call(withoutStream(okResponse, {}))).resolves.toBeDefined();
  });

  it("errors keep their code", async () => {
    const error = await failure(call(withoutStream(Buffer.alloc(0), { "grpc-status": "5" })));
    expect(error.code).toBe(Code.NotFound);
    const page = withoutStream(Buffer.from("a login page"), { "content-type": "text/html" });
    expect((await failure(call(page))).message).toMatch(/^(?!.*a login page).*text\/html/);
  });
});

describe("a response", () => {
  const status = (text: string) => frame(128, text);

  it.each([
    [
      "an error in headers with an empty body",
      "",
      { "grpc-status": "5", "grpc-message": "gone" },
      Code.NotFound,
      /^gone$/,
    ],
    [
      "an error in headers with an empty trailer frame, as proxies add it",
      status(""),
      { "grpc-status": "5", "grpc-message": "gone" },
      Code.NotFound,
      /^gone$/,
    ],
    [
      "an error in the trailers",
      status("grpc-status: 7\r\ngrpc-message: no%20way\r\n"),
      {},
      Code.PermissionDenied,
      /^no way$/,
    ],
    [
      "an error in the trailers after a message",
      Buffer.concat([frame(0, ""), status("grpc-status: 8\r\n")]),
      {},
      Code.ResourceExhausted,
      /^$/,
    ],
    [
      "a line break before the status",
      Buffer.concat([frame(0, ""), status("grpc-status:\n0\r\n")]),
      {},
      Code.Internal,
      /malformed trailers/,
    ],
    [
      "a status that is not a number",
      status("grpc-status: ok\r\n"),
      {},
      Code.Internal,
      /grpc-status is "ok"/,
    ],
    [
      "a status that is not a code",
      Buffer.concat([frame(0, ""), status("grpc-status: 99\r\n")]),
      {},
      Code.Internal,
      /grpc-status/,
    ],
    [
      "a status that comes twice",
      Buffer.concat([frame(0, ""), status("grpc-status: 0\r\ngrpc-status: 0\r\n")]),
      {},
      Code.Internal,
      /grpc-status/,
    ],
    ["a message without trailers", frame(0, ""), {}, Code.Internal, /no status/],
    [
      "a message without trailers and a status of 0 in the headers",
      frame(0, ""),
      { "grpc-status": "0" },
      Code.Internal,
      /no status/,
    ],
    [
      "a status of 0 without a message",
      status("grpc-status: 0\r\n"),
      {},
      Code.Unimplemented,
      /no message/,
    ],
    [
      "two messages",
      Buffer.concat([frame(0, ""), okResponse]),
      {},
      Code.Unimplemented,
      /second message/,
    ],
    [
      "data after the trailers",
      Buffer.concat([okResponse, frame(0, "")]),
      {},
      Code.Internal,
      /after the trailers/,
    ],
    [
      "a compressed message",
      Buffer.concat([frame(1, ""), status("grpc-status: 0\r\n")]),
      {},
      Code.Internal,
      /flags 1/,
    ],
    ["a message that is cut off", Buffer.from([0, 0, 0, 0, 9, 1]), {}, Code.Internal, /cut off/],
    [
      "an error in the headers and success in the trailers",
      okResponse,
      { "grpc-status": "7" },
      Code.PermissionDenied,
      /^$/,
    ],
    [
      "a message of garbage",
      Buffer.concat([frame(0, "\u00ff\u00ff"), status("grpc-status: 0\r\n")]),
      {},
      Code.Internal,
      /./,
    ],
    [
      "a percent-encoding that is broken",
      status("grpc-status: 5\r\ngrpc-message: 100%zz %E4 %C3%A4\r\n"),
      {},
      Code.NotFound,
      /^100%zz \ufffd ä$/,
    ],
  ])("with %s has its code and text", async (_, body, headers, code, message) => {
    const error = await outcome(body, headers as Record<string, string>);
    expect(Code[error.code]).toBe(Code[code]);
    expect(error.rawMessage).toMatch(message);
  });

  it("keeps code and message when its details do not decode or contradict the status", async () => {
    const ok = Buffer.from([8, 0]).toString("base64");
    const other = Buffer.from([8, 7, 18, 1, 0x78]).toString("base64");
    for (const details of ["!!!", "/////w", ok, other]) {
      const error = await outcome("", {
        "grpc-status": "5",
        "grpc-message": "gone",
        "grpc-status-details-bin": details,
      });
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "gone", details: [] });
    }
  });

  it("of status 0 with details of an error is not a success", async () => {
    const details = Buffer.from([8, 7]).toString("base64");
    const error = await outcome(
      Buffer.concat([
        frame(0, ""),
        status(`grpc-status: 0\r\ngrpc-status-details-bin: ${details}\r\n`),
      ]),
    );
    expect(error.code).toBe(Code.Internal);
  });

  it("exposes the request id, from an error in the trailers too", async () => {
    const error = await outcome(status("grpc-status: 5\r\n"), { "x-request-id": "r-2" });
    expect(describeError(error).requestId).toBe("r-2");
  });
});

describe("a response that is not gRPC-web", () => {
  it.each([
    [200, "text/html", "<html>Sign in</html>", Code.Unknown],
    [200, "application/json", "{}", Code.Unknown],
    [403, "text/html", "<html>Forbidden</html>", Code.PermissionDenied],
    [404, "text/plain", "404 page not found", Code.Unimplemented],
    [502, "text/html", "", Code.Unavailable],
    [503, "text/plain", "upstream secret-token refused", Code.Unavailable],
  ])("%i %s reports the response and its probable cause", async (statusCode, type, body, code) => {
    const { baseUrl } = await startHttpServer((_, response) => {
      response.writeHead(statusCode, { "content-type": type }).end(body);
    });
    const client = createManagementClient({ baseUrl, token: "secret-token" });
    const error = await failure(client.bulkRemoveUserGrant(request));
    expect(Code[error.code]).toBe(Code[code]);
    expect(error.message).toContain(`HTTP ${statusCode} with ${type}`);
    expect(body === "" || !error.message.includes(body)).toBe(true);
  });
});

describe("the error of a call", () => {
  const silent = () => startHttpServer(() => undefined);

  it("is DeadlineExceeded at timeoutMs of the call, or of the client", async () => {
    const { baseUrl } = await silent();
    const client = createManagementClient({ baseUrl, defaultTimeoutMs: 20 });
    expect(await failure(client.bulkRemoveUserGrant(request))).toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage: expect.stringMatching(/20 ms/),
    });
    expect(await failure(client.bulkRemoveUserGrant(request, { timeoutMs: 30 }))).toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage: expect.stringMatching(/30 ms/),
    });
  });

  it("is Canceled with the caller's reason", async () => {
    const { baseUrl } = await silent();
    const client = createManagementClient({ baseUrl });
    for (const reason of [
      new Error("left"),
      "text",
      new ConnectError("x", Code.NotFound),
      undefined,
    ]) {
      const controller = new AbortController();
      const call = failure(client.bulkRemoveUserGrant(request, { signal: controller.signal }));
      controller.abort(reason);
      const error = await call;
      expect(error.code).toBe(Code.Canceled);
      expect(error.cause).toBe(controller.signal.reason);
    }
  });

  it("is Canceled with the TimeoutError of AbortSignal.timeout", async () => {
    const { baseUrl } = await silent();
    const client = createManagementClient({ baseUrl });
    const error = await failure(
      client.bulkRemoveUserGrant(request, { signal: AbortSignal.timeout(10) }),
    );
    expect(error.code).toBe(Code.Canceled);
    expect(error.cause).toMatchObject({ name: "TimeoutError" });
  });

  it("arrives before anything is sent when the signal is aborted already", async () => {
    const { baseUrl, requests } = await silent();
    const client = createManagementClient({ baseUrl });
    const error = await failure(
      client.bulkRemoveUserGrant(request, { signal: AbortSignal.abort("no") }),
    );
    expect(error).toMatchObject({ code: Code.Canceled, cause: "no" });
    expect(requests).toHaveLength(0);
  });

  it("clears timers: a timeout beyond the limit of timers does not settle the call at once", async () => {
    const { baseUrl } = await startHttpServer((_, response) => respond(response, okResponse));
    const client = createManagementClient({ baseUrl });
    await client.bulkRemoveUserGrant(request, { timeoutMs: 2 ** 40 });
    await client.bulkRemoveUserGrant(request, { timeoutMs: 0 });
    expect(
      await failure(client.bulkRemoveUserGrant(request, { timeoutMs: Number.NaN })),
    ).toMatchObject({ code: Code.InvalidArgument });
  });
});

describe("the request", () => {
  it("beyond writeMaxBytes is rejected before it is sent", async () => {
    const { baseUrl, requests } = await startHttpServer((_, response) =>
      respond(response, okResponse),
    );
    const client = createClient(ManagementService, createTransport({ baseUrl, writeMaxBytes: 2 }));
    expect(await failure(client.bulkRemoveUserGrant(request))).toMatchObject({
      code: Code.ResourceExhausted,
    });
    expect(requests).toHaveLength(0);
  });
});
