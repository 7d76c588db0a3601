import { Code, ConnectError } from "@connectrpc/connect";
import { context, metrics, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { ManagementService } from "../src/grpc.js";
import { openTelemetry } from "../src/opentelemetry.js";
import { startSandbox } from "../src/sandbox/index.js";
import { okResponse, respond, startHttpServer } from "./support/http-server.js";
import { createClient, protocols } from "./support/protocols.js";
import { collectSpans } from "./support/spans.js";

const spans = collectSpans();
const durations = new InMemoryMetricExporter(AggregationTemporality.DELTA);
const reader = new PeriodicExportingMetricReader({ exporter: durations });
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
propagation.setGlobalPropagator({
  inject: (context, carrier, setter) => {
    setter.set(carrier, "traceparent", trace.getSpanContext(context)?.traceId ?? "none");
  },
  extract: (context) => context,
  fields: () => ["traceparent"],
});

beforeEach(() => durations.reset());
afterAll(async () => {
  metrics.disable();
  propagation.disable();
  await reader.shutdown();
});

describe.each(protocols)("over %s", (protocol) => {
  async function start() {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const { baseUrl, token, orgId } = sandbox;
    const options = { baseUrl, token, orgId, interceptors: [openTelemetry()] };
    return { sandbox, client: createClient(protocol, options) };
  }

  it("a call is a span by the conventions for RPC, without ids and tokens", async () => {
    const { sandbox, client } = await start();
    await client.deactivateUserGrant(sandbox.addGrant());
    const [span] = spans.getFinishedSpans();
    expect(span?.name).toBe("zitadel.management.v1.ManagementService/DeactivateUserGrant");
    expect(span?.kind).toBe(SpanKind.CLIENT);
    expect(span?.status.code).toBe(SpanStatusCode.UNSET);
    expect(span?.attributes).toEqual({
      "rpc.system.name": "grpc",
      "rpc.method": "zitadel.management.v1.ManagementService/DeactivateUserGrant",
      "rpc.response.status_code": "OK",
      "server.address": "localhost",
      "server.port": Number(new URL(sandbox.baseUrl).port),
    });
  });

  it("a failed call has the code and ZITADEL's error id, and no message", async () => {
    const { client } = await start();
    await expect(client.bulkRemoveUserGrant({ grantId: ["123"] })).rejects.toThrow();
    const [span] = spans.getFinishedSpans();
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(span?.events).toEqual([]);
    expect(span?.attributes).toMatchObject({
      "rpc.response.status_code": "NOT_FOUND",
      "error.type": "NOT_FOUND",
      "zitadel.error.id": "COMMAND-1My0t",
    });
  });

  it("its duration is measured in seconds", async () => {
    const { sandbox, client } = await start();
    await client.deactivateUserGrant(sandbox.addGrant());
    await reader.forceFlush();
    const [metric] = durations.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
    expect(metric?.descriptor).toMatchObject({ name: "rpc.client.call.duration", unit: "s" });
    const [point] = metric?.dataPoints ?? [];
    expect(point?.value).toMatchObject({ count: 1 });
    expect(point?.attributes["rpc.response.status_code"]).toBe("OK");
  });
});

describe("the trace", () => {
  it.each([
    [undefined, true],
    [true, true],
    [false, false],
  ])("with propagate: %s goes out: %s", async (propagate, goesOut) => {
    const server = await startHttpServer((_, response) => respond(response, okResponse));
    const client = createClient("grpc-web", {
      baseUrl: server.baseUrl,
      interceptors: [openTelemetry({ propagate })],
    });
    await client.bulkRemoveUserGrant({ grantId: ["1"] });
    const [span] = spans.getFinishedSpans();
    const sent = server.requests[0]?.headers.traceparent;
    expect(sent).toBe(goesOut ? span?.spanContext().traceId : undefined);
  });
});

it.each([
  ["is read to its end", "OK"],
  ["is left by its reader", "CANCELLED"],
  ["fails", "UNAVAILABLE"],
])("a stream that %s has a span until then", async (how, status) => {
  async function* messages() {
    yield* [1, 2];
    if (how === "fails") {
      throw new ConnectError("broken", Code.Unavailable);
    }
  }
  const next = openTelemetry()(async () => ({ stream: true, message: messages() }) as never);
  const { message } = await next({
    url: "https://zitadel.example/x",
    method: ManagementService.method.bulkRemoveUserGrant,
    header: new Headers(),
  } as never);
  const read = async () => {
    for await (const _ of message as AsyncIterable<unknown>) {
      expect(spans.getFinishedSpans()).toEqual([]);
      if (how === "is left by its reader") {
        break;
      }
    }
  };
  await (how === "fails" ? expect(read()).rejects.toThrow("broken") : read());
  expect(spans.getFinishedSpans().map(({ attributes }) => attributes)).toMatchObject([
    { "rpc.response.status_code": status, "server.address": "zitadel.example", "server.port": 443 },
  ]);
});

it("rejects an option that it does not know", () => {
  expect(() => openTelemetry({ propagat: false } as object)).toThrow(
    'openTelemetry: unknown option "propagat"; did you mean propagate?',
  );
  expect(() => openTelemetry({ propagate: "no" } as object)).toThrow(
    'openTelemetry: propagate must be true or false; got "no"',
  );
});

describe("a provider that fails", () => {
  const broken = () => {
    throw new Error("the exporter is gone");
  };
  const rejecting = async () => broken();
  const span = (end: () => unknown, setAttributes: () => unknown) => ({
    spanContext: () => ({ traceId: "1".repeat(32), spanId: "1".repeat(16), traceFlags: 1 }),
    setAttributes,
    setStatus: () => undefined,
    end,
  });

  it.each([
    ["before", broken],
    [
      "after",
      (_: unknown, call: () => unknown) => {
        call();
        broken();
      },
    ],
    ["instead", () => undefined],
  ])(
    "the manager of contexts throws or returns %s, and the call is made once",
    async (_, within) => {
      const spy = vi.spyOn(context, "with").mockImplementation(within as never);
      onTestFinished(() => spy.mockRestore());
      let calls = 0;
      const next = openTelemetry()(async () => {
        calls += 1;
        return { stream: false } as never;
      });
      const request = {
        url: "https://zitadel.example/x",
        method: ManagementService.method.bulkRemoveUserGrant,
        header: new Headers(),
      };
      expect(await next(request as never)).toEqual({ stream: false });
      expect(calls).toBe(1);
    },
  );

  it.each([
    ["to start a span", { startSpan: broken }],
    ["to describe a span", { startSpan: () => span(() => undefined, broken) }],
    ["to end a span", { startSpan: () => span(broken, () => undefined) }],
    ["to end a span, later", { startSpan: () => span(rejecting, () => undefined) }],
  ])("%s affects no call", async (_, tracer) => {
    const provider = trace.getTracerProvider();
    trace.disable();
    trace.setGlobalTracerProvider({ getTracer: () => tracer } as never);
    onTestFinished(() => {
      trace.disable();
      trace.setGlobalTracerProvider(provider);
    });
    let calls = 0;
    const next = openTelemetry()(async (request) => {
      calls += 1;
      if (request.header.has("x-fail")) {
        throw new Error("of the call");
      }
      return { stream: false } as never;
    });
    const call = (headers: HeadersInit) =>
      next({
        url: "https://zitadel.example/x",
        method: ManagementService.method.bulkRemoveUserGrant,
        header: new Headers(headers),
      } as never);
    expect(await call({})).toEqual({ stream: false });
    await expect(call({ "x-fail": "1" })).rejects.toThrow("of the call");
    expect(calls).toBe(2);
    // A rejection that nobody handles would fail the test.
    await new Promise(setImmediate);
  });
});
