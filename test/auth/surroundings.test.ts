import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { createClientCredentials, createServiceUser } from "../../src/auth/service-user.js";
import type { TokenSource } from "../../src/options/options.js";
import { FakeEnvironment, settle } from "../support/fake-environment.js";
import { createFakeIssuer, type FakeIssuer, oauthError } from "./fake-issuer.js";
import { serviceUserKey } from "./keys.js";

let environment: FakeEnvironment;
let server: FakeIssuer;

beforeEach(() => {
  environment = new FakeEnvironment();
  server = createFakeIssuer();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function create(fetch: typeof globalThis.fetch = server.fetch): TokenSource {
  const { issuer } = server;
  return createClientCredentials(
    { issuer, clientId: "admin", clientSecret: "s3cret", fetch },
    environment,
  );
}

const failureOf = (promise: string | Promise<string>) =>
  Promise.resolve(promise).then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );

describe("on Cloudflare Workers", () => {
  beforeEach(() => {
    vi.stubGlobal("navigator", { userAgent: "Cloudflare-Workers" });
  });

  it("each call without a token makes its own request, and a request that never ends holds up no other", async () => {
    const source = create();
    // As of a request that has returned: nothing that it began ever settles.
    server.respond = () => new Promise(() => {});
    Promise.resolve(source()).catch(() => {});
    await settle();
    server.respond = () => server.issue();
    expect(await Promise.all([source(), source()])).toEqual(["token-1", "token-2"]);
    // The one that is held is shared.
    expect(source()).toBe("token-2");
    expect(server.tokenRequests).toHaveLength(3);
  });

  it("a token is used until it expires, since nothing outlives a call that could renew it before", async () => {
    server.respond = () => server.issue({ expires_in: 600 });
    const source = create();
    await source();
    await environment.advance(599_000);
    expect(source()).toBe("token-1");
    await settle();
    expect(server.tokenRequests).toHaveLength(1);
    await environment.advance(1_000);
    expect(await source()).toBe("token-2");
  });

  it("a rejection pauses every call", async () => {
    server.respond = () => oauthError(400, "invalid_client");
    const source = create();
    await failureOf(source());
    await failureOf(source());
    expect(server.tokenRequests).toHaveLength(1);
  });
});

describe("with a fetch that caches, as frameworks have it", () => {
  it("an expired token is replaced, and no request is answered from the cache", async () => {
    const kept = new Map<string, Response>();
    const source = create(async (input, init) => {
      const key = `${input} ${init?.body}`;
      const response =
        (init?.cache === "no-store" ? undefined : kept.get(key)) ??
        (await server.fetch(input, init));
      kept.set(key, response.clone());
      return response;
    });
    expect(await source()).toBe("token-1");
    environment.setWall(43_200_000);
    expect(await source()).toBe("token-2");
  });

  it("the option is left out where a platform does not know it", async () => {
    vi.stubGlobal("Request", class {});
    const fetch = vi.fn(server.fetch);
    await create(fetch)();
    expect(fetch.mock.calls.some(([, init]) => init !== undefined && "cache" in init)).toBe(false);
  });
});

describe("with parts of other libraries", () => {
  it("an AbortSignal of React Native is enough", async () => {
    class Signal extends EventTarget {
      aborted = false;
    }
    class Controller {
      readonly signal = new Signal();
      abort() {
        this.signal.aborted = true;
        this.signal.dispatchEvent(new Event("abort"));
      }
    }
    vi.stubGlobal("AbortController", Controller);
    vi.stubGlobal("AbortSignal", Signal);
    const caller = new Controller();
    const source = create();
    expect(await source({ signal: caller.signal as never })).toBe("token-1");
    server.respond = () => new Promise(() => {});
    const left = failureOf(source({ signal: caller.signal as never, refused: "token-1" }));
    await settle();
    caller.abort();
    expect(await left).toMatchObject({ code: Code.Canceled });
  });

  it("serviceUser says that WebCrypto is missing", async () => {
    vi.stubGlobal("crypto", {});
    const source = createServiceUser(
      serviceUserKey,
      { issuer: server.issuer, fetch: server.fetch },
      environment,
    );
    expect(await failureOf(source())).toMatchObject({
      code: Code.FailedPrecondition,
      rawMessage: expect.stringContaining("WebCrypto"),
    });
  });

  it.each<[string, () => unknown]>([
    ["a TypeError of its code", () => Promise.reject(new TypeError("x is not a function"))],
    ["another error of its code", () => Promise.reject(new RangeError("out of range"))],
    ["nothing in place of a Response", () => undefined],
    ["another object in place of a Response", () => ({})],
  ])("a fetch that fails by %s is not called again", async (_, fail) => {
    const fetch = vi.fn(fail);
    const error = await failureOf(create(fetch as never)());
    expect(error).toMatchObject({
      code: Code.Internal,
      rawMessage: expect.stringContaining("the option fetch failed by itself"),
    });
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});

describe("errors say why", () => {
  it.each<[string, () => Promise<Response>, string]>([
    [
      "nothing listens",
      () => Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") })),
      "ECONNREFUSED",
    ],
    ["the server is overloaded", async () => new Response("", { status: 503 }), "HTTP 503"],
  ])("also when the caller's own deadline passes: %s", async (_, respond, reason) => {
    server.respond = respond;
    const controller = new AbortController();
    const failure = failureOf(create()({ signal: controller.signal }));
    await environment.advance(2_000);
    controller.abort(new DOMException("The operation timed out", "TimeoutError"));
    expect(await failure).toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage: expect.stringContaining(reason),
    });
  });

  it("an assertion that v2.70 rejects with HTTP 500 is told as rejected, after few attempts", async () => {
    server.respond = () => oauthError(500, "server_error", "Errors.Internal");
    const failure = failureOf(
      createServiceUser(
        serviceUserKey,
        { issuer: server.issuer, fetch: server.fetch },
        environment,
      )(),
    );
    let isOver = false;
    failure.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await environment.advance(10);
    }
    expect(await failure).toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: expect.stringMatching(/HTTP 500, server_error .* the key was removed/),
    });
    expect(server.tokenRequests.length).toBeLessThan(6);
  });

  it("a deactivated user is named as such", async () => {
    server.respond = () => oauthError(400, "invalid_grant", "Errors.User.NotActive");
    expect((await failureOf(create()())).rawMessage).toContain("deactivated or locked");
  });

  it("instanceHost is rejected in a page at once", () => {
    vi.stubGlobal("document", {});
    const { issuer } = server;
    const options = { issuer, clientId: "a", clientSecret: "b", instanceHost: "z.example" };
    expect(() => clientCredentials(options)).toThrow(/instanceHost is not allowed in a web page/);
  });
});
