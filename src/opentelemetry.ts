/**
 * Traces and durations for OpenTelemetry. Needs the optional peer `@opentelemetry/api`.
 *
 * @module zitadel-user-grants/opentelemetry
 */
import type { Interceptor, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { platform } from "./common/time.js";
import { describeError } from "./errors/describe.js";
import { boolean, type Checks, checkOptions } from "./options/checker.js";

/** The options of `openTelemetry`. */
export interface OpenTelemetryOptions {
  /**
   * Whether `traceparent` and the other headers of the program's propagators are sent with calls. Default
   * true, and false in a web page, where ZITADEL's CORS rules would make every such call fail.
   */
  propagate?: boolean | undefined;
}

const name = "zitadel-user-grants";

const checks: Checks<OpenTelemetryOptions> = { propagate: boolean };

/**
 * An interceptor that records a span and a duration for each call, by the semantic conventions for RPC
 * (https://opentelemetry.io/docs/specs/semconv/rpc/). All attempts of a call share one span.
 *
 * Attributes are the method, the server, the status code and ZITADEL's id of an error's cause
 * (`zitadel.error.id`: `COMMAND-3M9sd`). Messages, tokens, and ids of users, grants and organizations are
 * not among them. Durations go to the meter provider that is registered when the first call is made.
 *
 * @param options everything has a default.
 * @returns an interceptor for the option `interceptors`.
 * @throws TypeError for an option that is unknown or not allowed.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { openTelemetry } from "zitadel-user-grants/opentelemetry";
 *
 * const client = createManagementClient({
 *   baseUrl: "https://example.zitadel.cloud",
 *   interceptors: [openTelemetry()],
 * });
 * ```
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Interceptor {
  const { propagate = typeof document === "undefined" } = checkOptions(options, checks, {
    caller: "openTelemetry",
  });
  let duration: Histogram | undefined;
  const observe = (request: UnaryRequest | StreamRequest) => {
    try {
      duration ??= metrics.getMeter(name).createHistogram("rpc.client.call.duration", {
        unit: "s",
        description: "Measures the duration of outbound remote procedure calls",
      });
      return begin(request, duration, propagate);
    } catch {
      // What a provider does must not affect the call.
      return undefined;
    }
  };
  return (next) => async (request) => {
    const call = observe(request);
    if (call === undefined) {
      return await next(request);
    }
    try {
      const response = await callWithin(call.within, async () => next(request));
      if (response.stream) {
        return { ...response, message: watch(response.message, call.end) };
      }
      call.end();
      return response;
    } catch (reason) {
      call.end(reason);
      throw reason;
    }
  };
}

/** Calls within a context, once, whatever the manager of contexts does. */
function callWithin<R>(within: Context, call: () => Promise<R>): Promise<R> {
  let called: Promise<R> | undefined;
  try {
    context.with(within, () => {
      called ??= call();
    });
  } catch {
    // It must not affect the call.
  }
  return called ?? call();
}

/** Scheme, host and port. `new URL` takes as long as a span. */
const addressShape = /^(https?):\/\/(?:[^/]*@)?([^/]+?)(?::(\d+))?\//;

/** Begins the span of a call. */
function begin(request: UnaryRequest | StreamRequest, duration: Histogram, propagate: boolean) {
  const startMs = platform.monotonicMs();
  const { method, url, header } = request;
  const [, protocol, hostname, port] = addressShape.exec(url) ?? [];
  const rpc = `${method.parent.typeName}/${method.name}`;
  const attributes: Attributes = {
    "rpc.system.name": "grpc",
    "rpc.method": rpc,
    "server.address": hostname,
    "server.port": Number(port ?? (protocol === "https" ? 443 : 80)),
  };
  const active = context.active();
  const options = { kind: SpanKind.CLIENT, attributes };
  const span = trace.getTracer(name).startSpan(rpc, options, active);
  const within = trace.setSpan(active, span);
  if (propagate) {
    propagation.inject(within, header, setter);
  }
  return {
    within,
    async end(reason?: unknown) {
      try {
        const seconds = (platform.monotonicMs() - startMs) / 1000;
        const outcome = reason === undefined ? ok : describe(reason);
        span.setAttributes(outcome);
        if (outcome !== ok) {
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        await Promise.all([span.end(), duration.record(seconds, { ...attributes, ...outcome })]);
      } catch {
        // Awaited, since a provider may also reject.
      }
    },
  };
}

const setter = { set: (header: Headers, name: string, value: string) => header.set(name, value) };

const ok: Attributes = { "rpc.response.status_code": "OK" };

/** "COMMAND-3M9sd". Any other text that a server sends as an id does not belong in a telemetry backend. */
const idShape = /^[A-Z][A-Z0-9_]{1,15}-[A-Za-z0-9]{3,8}$/;

/** The outcome of a call, as attributes. */
function describe(reason: unknown): Attributes {
  const { code, id } = describeError(reason);
  const status = Code[code].replace(/(?<=.)([A-Z])/g, "_$1").toUpperCase();
  // gRPC spells this code differently.
  const spelled = status === "CANCELED" ? "CANCELLED" : status;
  return {
    "rpc.response.status_code": spelled,
    "error.type": spelled,
    ...(id !== undefined && idShape.test(id) && { "zitadel.error.id": id }),
  };
}

/** Reports once how a stream settled: completed, failed, or abandoned by its consumer. */
async function* watch<T>(
  messages: AsyncIterable<T>,
  end: (reason?: unknown) => void,
): AsyncGenerator<T> {
  let outcome: unknown = new ConnectError("left", Code.Canceled);
  try {
    yield* messages;
    outcome = undefined;
  } catch (reason) {
    outcome = reason;
    throw reason;
  } finally {
    end(outcome);
  }
}
