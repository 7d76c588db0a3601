import type { Interceptor } from "@connectrpc/connect";
import { context, propagation, trace } from "@opentelemetry/api";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { describe, expect, onTestFinished, test } from "vitest";
import type { GrpcOptions } from "../../../src/grpc.js";
import { openTelemetry } from "../../../src/opentelemetry.js";
import { respond, startGrpcServer } from "../../support/grpc-server.js";
import { createClient } from "../../support/protocols.js";

const grant = { userId: "1", grantId: "2" };

async function start(options: Partial<GrpcOptions>) {
  const server = await startGrpcServer(({ stream }) => respond(stream, {}));
  const client = createClient("grpc", {
    baseUrl: server.baseUrl,
    token: () => "t-1",
    orgId: "42",
    retry: true,
    ...options,
  });
  return { client, sent: () => server.calls.map(({ header }) => header) };
}

const seen: (string | null)[] = [];

/** What interceptors do with requests. */
const interceptors: Record<string, Interceptor> = {
  "passes it on": (next) => (request) => next(request),
  "copies it": (next) => (request) => next({ ...request } as typeof request),
  "derives from it": (next) => (request) => next(Object.create(request)),
  "makes it anew": (next) => (request) => {
    const { stream, service, method, url, requestMethod } = request;
    const { signal, contextValues, message, header } = request;
    const parts = { stream, service, method, url, requestMethod, signal, contextValues, message };
    return next({ ...parts, header: new Headers(header) } as typeof request);
  },
  "gives it another signal": (next) => (request) =>
    next({ ...request, signal: AbortSignal.any([request.signal]) } as typeof request),
  "reads its header": (next) => (request) => {
    seen.push(request.header.get("authorization"), request.header.get("x-zitadel-orgid"));
    return next(request);
  },
  "returns a copy": (next) => async (request) => {
    const response = await next(request);
    return { ...response } as typeof response;
  },
  "returns an object derived from the response": (next) => async (request) =>
    Object.create(await next(request)),
  "puts other headers into the response": (next) => async (request) =>
    Object.assign(await next(request), { header: new Headers(), trailer: new Headers() }),
};

describe.each(Object.keys(interceptors))("with an interceptor that %s", (what) => {
  const interceptor = interceptors[what] as Interceptor;

  test("token and organization are sent, and the call's own headers take precedence", async () => {
    const { client, sent } = await start({ interceptors: [interceptor] });
    await client.deactivateUserGrant(grant);
    await client.deactivateUserGrant(grant, { headers: { "x-zitadel-orgid": "43" } });
    await client.deactivateUserGrant(grant, { headers: { authorization: "", "x-own": "1" } });
    const common = {
      te: "trailers",
      "user-agent": "zitadel-user-grants",
      "content-type": "application/grpc+proto",
      "grpc-timeout": expect.stringMatching(/^3\d{4}m$/),
    };
    expect(sent()).toEqual([
      expect.objectContaining({ ...common, authorization: "Bearer t-1", "x-zitadel-orgid": "42" }),
      expect.objectContaining({ ...common, authorization: "Bearer t-1", "x-zitadel-orgid": "43" }),
      expect.objectContaining({ ...common, "x-own": "1", "x-zitadel-orgid": "42" }),
    ]);
    expect(sent()[2]).not.toHaveProperty("authorization");
    expect(seen.splice(0).filter((value) => value === "Bearer t-1" || value === "42")).toEqual([]);
  });
});

test("without a time limit no grpc-timeout is sent, unless the call has one of its own", async () => {
  const { client, sent } = await start({ defaultTimeoutMs: 0 });
  await client.deactivateUserGrant(grant);
  await client.deactivateUserGrant(grant, { headers: { "grpc-timeout": "5S", "x-own": "" } });
  expect(sent()[0]).not.toHaveProperty("grpc-timeout");
  expect(sent()[1]).toMatchObject({ "grpc-timeout": "5S", "x-own": "" });
});

test("concurrent calls keep their headers and deadlines separate", async () => {
  const { client, sent } = await start({});
  await Promise.all(
    [10_000, 20_000, 40_000].map((timeoutMs) =>
      client.deactivateUserGrant(grant, { timeoutMs, headers: { "x-own": String(timeoutMs) } }),
    ),
  );
  for (const header of sent()) {
    const limitMs = Number.parseInt(String(header["grpc-timeout"]), 10);
    expect(Math.ceil((limitMs - 1_000) / 10_000) * 10_000).toBe(Number(header["x-own"]));
  }
});

test("interceptors of the caller are applied to each call, as Connect does it", async () => {
  let applied = 0;
  const { client } = await start({
    interceptors: [
      (next) => {
        applied += 1;
        return next;
      },
    ],
  });
  await client.deactivateUserGrant(grant);
  await client.deactivateUserGrant(grant);
  expect(applied).toBe(2);
});

describe("fields of a propagator", () => {
  function register(fields: Record<string, string>) {
    trace.setGlobalTracerProvider(new BasicTracerProvider());
    propagation.setGlobalPropagator({
      inject(_, carrier, setter) {
        for (const [name, value] of Object.entries(fields)) {
          setter.set(carrier, name, value);
        }
      },
      extract: () => context.active(),
      fields: () => Object.keys(fields),
    });
    onTestFinished(() => {
      trace.disable();
      propagation.disable();
    });
  }

  test.each([
    ["plain", { TraceParent: "00-1-2-01" }, {}],
    ["with spaces", { traceparent: "00-1-2-01", baggage: "a=1, b=2" }, {}],
    ["beside headers of the call", { traceparent: "00-1-2-01" }, { "x-own": "1" }],
  ])("are sent with token and organization: %s", async (_, fields, headers) => {
    register(fields as Record<string, string>);
    let inside: string | null = null;
    const look: Interceptor = (next) => (request) => {
      inside = request.header.get("traceparent");
      return next(request);
    };
    for (const chain of [[openTelemetry()], [openTelemetry(), look]]) {
      const { client, sent } = await start({ interceptors: chain });
      await client.deactivateUserGrant(grant, { headers });
      const lower = Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]);
      expect(sent()).toEqual([
        expect.objectContaining({
          ...Object.fromEntries(lower),
          ...headers,
          authorization: "Bearer t-1",
          "x-zitadel-orgid": "42",
          "user-agent": "zitadel-user-grants",
        }),
      ]);
    }
    expect(inside).toBe("00-1-2-01");
  });

  test("that HTTP does not allow are not sent, and the call goes on", async () => {
    register({ baggage: "a\nb" });
    const { client, sent } = await start({ interceptors: [openTelemetry()] });
    await client.deactivateUserGrant(grant);
    expect(sent()).toEqual([expect.not.objectContaining({ baggage: expect.anything() })]);
  });
});
