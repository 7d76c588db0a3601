import { getEventListeners } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createClientCredentials } from "../../src/auth/service-user.js";
import type { TokenSource } from "../../src/options/options.js";
import { Call } from "../../src/transports/call/call.js";
import { FakeEnvironment, settle } from "../support/fake-environment.js";
import { createFakeIssuer, type FakeIssuer, oauthError } from "./fake-issuer.js";

const hour = 3_600_000;
let environment: FakeEnvironment;
let server: FakeIssuer;
let source: TokenSource;

beforeEach(() => {
  environment = new FakeEnvironment();
  server = createFakeIssuer();
  source = createClientCredentials(
    { issuer: server.issuer, clientId: "admin", clientSecret: "s3cret", fetch: server.fetch },
    environment,
  );
});

const neverResponds = () => new Promise<Response>(() => {});
const unreachable = () =>
  Promise.reject(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") }));

async function failureOf(promise: Promise<string> | string): Promise<ConnectError> {
  return Promise.resolve(promise).then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );
}

/** How a promise ended, without waiting for it. */
function watch<T>(promise: Promise<T> | T) {
  const watched: { value?: T; error?: ConnectError; ended: boolean } = { ended: false };
  Promise.resolve(promise).then(
    (value) => Object.assign(watched, { value, ended: true }),
    (error) => Object.assign(watched, { error, ended: true }),
  );
  return watched;
}

test("one call a minute for 48 hours at a 12-hour lifetime makes 5 token requests, and every call has a valid token", async () => {
  const issuedAt = new Map<string, number>();
  server.respond = () => {
    const response = server.issue({ expires_in: 43200 });
    issuedAt.set(`token-${server.tokenRequests.length}`, environment.monotonicMs());
    return response;
  };
  for (let minute = 0; minute <= 48 * 60; minute++) {
    const token = await source();
    expect(environment.monotonicMs() - issuedAt.get(token)!).toBeLessThan(12 * hour);
    // No timers are due: nothing needs to settle.
    await environment.advance(0);
    environment.setWall(60_000);
  }
  expect(server.tokenRequests).toHaveLength(5);
  expect(server.discoveries).toHaveLength(1);
});

test("1,000 concurrent first calls make one discovery and one token request", async () => {
  const tokens = await Promise.all(Array.from({ length: 1000 }, () => source()));
  expect(new Set(tokens)).toEqual(new Set(["token-1"]));
  expect(server.discoveries).toHaveLength(1);
  expect(server.tokenRequests).toHaveLength(1);
  expect(environment.timers).toBe(0);
});

test("a token is renewed when the wall clock says that it expires, though the monotonic clock slept", async () => {
  await source();
  environment.setWall(12 * hour);
  expect(await source()).toBe("token-2");
});

test("a token is renewed when the monotonic clock says that it expires, though the wall clock was set back", async () => {
  await source();
  environment.setWall(-24 * hour);
  await environment.advance(12 * hour);
  expect(await source()).toBe("token-2");
});

test("a short-lived token is renewed in the background after nine tenths of its lifetime, and no call waits", async () => {
  server.respond = () => server.issue({ expires_in: 10 });
  await source();
  await environment.advance(8_999);
  expect(await source()).toBe("token-1");
  await settle();
  expect(server.tokenRequests).toHaveLength(1);
  await environment.advance(1);
  expect(await source()).toBe("token-1");
  await settle();
  expect(await source()).toBe("token-2");
  expect(server.tokenRequests).toHaveLength(2);
});

test("a background renewal makes one attempt, whose timers do not keep the process alive", async () => {
  server.respond = () => server.issue({ expires_in: 600 });
  await source();
  await environment.advance(540_000);
  server.respond = neverResponds;
  expect(await source()).toBe("token-1");
  await settle();
  expect(environment.timers).toBeGreaterThan(0);
  expect(environment.timersThatKeepAlive).toBe(0);
  await environment.advance(10_000);
  expect(environment.timers).toBe(0);
  await environment.advance(20_000);
  expect(server.tokenRequests).toHaveLength(2);
});

test("a background renewal that is rejected is retried with growing pauses, and fails no call", async () => {
  await source();
  await environment.advance(12 * hour - 61_000);
  server.respond = () => oauthError(400, "invalid_client");
  for (let second = 0; second < 59; second++) {
    expect(await source()).toBe("token-1");
    await environment.advance(1_000);
  }
  expect(server.tokenRequests.length).toBeGreaterThan(3);
  expect(server.tokenRequests.length).toBeLessThan(9);
  await environment.advance(2_000);
  await expect(source()).rejects.toMatchObject({ code: Code.Unauthenticated });
});

test("Retry-After: 3600 delays no caller for more than 30 s", async () => {
  const retryLater = { status: 503, headers: { "retry-after": "3600" } };
  server.respond = () => Response.json({}, retryLater);
  const first = watch(source({ signal: new AbortController().signal }));
  await environment.advance(25_000);
  expect(first.error).toMatchObject({
    code: Code.Unavailable,
    rawMessage: expect.stringContaining("failed: HTTP 503; it asks to wait 3600 s"),
  });
  server.respond = () => server.issue();
  const second = watch(source());
  await environment.advance(4_999);
  expect(second.ended).toBe(false);
  await environment.advance(1);
  expect(second.value).toBe("token-1");
  expect(server.tokenRequests).toHaveLength(2);
});

test("a call's own deadline decides how long it waits, and its error names the cause", async () => {
  server.respond = unreachable;
  const deadline = new Call(60_000, undefined, undefined);
  onTestFinished(() => deadline.end());
  const call = watch(source({ signal: deadline.signal }));
  await environment.advance(58_000);
  expect(call.ended).toBe(false);
  await environment.advance(1_100);
  expect(call.error).toMatchObject({
    code: Code.Unavailable,
    rawMessage: expect.stringContaining("connect ECONNREFUSED"),
  });
});

test("a token without expires_in is used until a server rejects it", async () => {
  server.respond = () => server.issue({ expires_in: undefined });
  await source();
  environment.setWall(1000 * hour);
  expect(await source()).toBe("token-1");
  expect(await source({ refused: "token-1" })).toBe("token-2");
});

test("a token endpoint that is down for 10 s and back fails no call", async () => {
  server.respond = unreachable;
  const signal = new AbortController().signal;
  const calls = [watch(source({ signal })), watch(source())];
  await environment.advance(10_000);
  server.respond = () => server.issue();
  await environment.advance(1_000);
  expect(calls.map((call) => call.value)).toEqual(["token-1", "token-1"]);
  expect(environment.timers).toBe(0);
});

test("while the old token is valid, an endpoint that is down neither delays nor fails a call", async () => {
  await source();
  await environment.advance(12 * hour - 31_000);
  server.respond = neverResponds;
  for (let second = 0; second < 30; second++) {
    expect(await source()).toBe("token-1");
    await environment.advance(1_000);
  }
  const call = watch(source());
  await environment.advance(25_000 + 25_000);
  expect(call.error).toMatchObject({ code: Code.DeadlineExceeded });
});

test("the request is aborted when no caller waits any more, and the next caller starts a new one", async () => {
  server.respond = neverResponds;
  const callers = [new AbortController(), new AbortController()];
  const calls = callers.map(({ signal }) => watch(source({ signal })));
  await settle();
  callers[0]?.abort();
  await settle();
  expect(server.tokenRequests[0]?.signal.aborted).toBe(false);
  callers[1]?.abort(new DOMException("too late", "TimeoutError"));
  await settle();
  expect(server.tokenRequests[0]?.signal.aborted).toBe(true);
  expect(environment.timers).toBe(0);
  expect(calls.map((call) => call.error?.code)).toEqual([Code.Canceled, Code.DeadlineExceeded]);
  server.respond = () => server.issue();
  expect(await source()).toBe("token-1");
  expect(server.tokenRequests).toHaveLength(2);
});

test("a caller that arrives just as the last one leaves starts a new request", async () => {
  server.respond = neverResponds;
  const leaver = new AbortController();
  const left = watch(source({ signal: leaver.signal }));
  await settle();
  server.respond = () => server.issue();
  leaver.abort();
  expect(await source()).toBe("token-1");
  expect(left.error).toMatchObject({ code: Code.Canceled });
});

test("no listener of a call stays on a longer-lived signal", async () => {
  const { signal } = new AbortController();
  await source({ signal });
  await source({ signal, refused: "token-1" });
  server.respond = () => oauthError(400, "invalid_client");
  await Promise.resolve(source({ signal, refused: "token-2" })).catch(() => {});
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("nothing runs on between attempts after the callers have left", async () => {
  server.respond = unreachable;
  const caller = new AbortController();
  const call = watch(source({ signal: caller.signal }));
  await environment.advance(5_000);
  const attempts = server.tokenRequests.length;
  caller.abort();
  await environment.advance(hour);
  expect(call.error).toMatchObject({ code: Code.Canceled });
  expect(server.tokenRequests).toHaveLength(attempts);
  expect(environment.timers).toBe(0);
});

test("a caller whose call has settled gets the call's own error", async () => {
  const reason = new ConnectError("no response within 5 ms", Code.DeadlineExceeded);
  await expect(source({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(server.discoveries).toHaveLength(0);
});

test("without a signal a source gives up after 30 s, naming what it could not reach", async () => {
  server.respond = unreachable;
  const call = watch(source());
  await environment.advance(29_999);
  expect(call.ended).toBe(false);
  await environment.advance(1);
  expect(call.error).toMatchObject({
    code: Code.Unavailable,
    rawMessage:
      "token request at https://issuer.example/oauth/v2/token got no response: connect ECONNREFUSED",
  });
  expect(environment.timers).toBe(0);
});

test("with a signal a source gives up after 25 s: before a call's 30 s, whose error could not name the cause", async () => {
  server.respond = neverResponds;
  const call = watch(source({ signal: new AbortController().signal }));
  await environment.advance(25_000);
  expect(call.error).toMatchObject({
    code: Code.DeadlineExceeded,
    rawMessage:
      "token request at https://issuer.example/oauth/v2/token got no response: none within 10 s",
  });
});

test("attempts are spread: at most one each half second in a long outage", async () => {
  server.respond = unreachable;
  watch(source());
  await environment.advance(25_000);
  expect(server.tokenRequests.length).toBeGreaterThan(25);
  expect(server.tokenRequests.length).toBeLessThan(50);
});

test.each([
  ["7", 7_000],
  [new Date(Date.parse("2026-11-22T08:00:07Z")).toUTCString(), 7_000],
])("after 429 the next attempt waits as Retry-After requires: %s", async (retryAfter, waitMs) => {
  server.respond = () => Response.json({}, { status: 429, headers: { "retry-after": retryAfter } });
  const call = watch(source());
  await environment.advance(waitMs - 1);
  expect(server.tokenRequests).toHaveLength(1);
  server.respond = () => server.issue();
  await environment.advance(1);
  expect(call.value).toBe("token-1");
});

test("after a rejection calls fail with its reason for 1 s, then 2 s, up to 30 s, and nothing is sent meanwhile", async () => {
  server.respond = () => oauthError(400, "invalid_client", "client not found");
  const requestedAtS: number[] = [];
  for (let second = 0; second < 100; second++) {
    const before = server.tokenRequests.length;
    const errors = await Promise.all([1, 2, 3].map(() => failureOf(source())));
    errors.push(await failureOf(source()));
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set([Code.Unauthenticated]));
    expect(errors.every((error) => error.rawMessage.includes("client not found"))).toBe(true);
    expect(errors[3]?.rawMessage).toMatch(/\. No other request is made for \d+ s$/);
    if (server.tokenRequests.length > before) {
      expect(server.tokenRequests.length).toBe(before + 1);
      requestedAtS.push(second);
    }
    await environment.advance(1_000);
  }
  expect(requestedAtS).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  await environment.advance(30_000);
  server.respond = () => server.issue();
  expect(await source()).toBe("token-1");
  expect(server.discoveries).toHaveLength(1);
});

test("a discovery that failed is not kept", async () => {
  server.metadata = { issuer: "https://other.example" };
  await expect(source()).rejects.toMatchObject({ code: Code.Unauthenticated });
  server.metadata = {};
  await environment.advance(1_000);
  expect(await source()).toBe("token-1");
});
