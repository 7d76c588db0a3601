/**
 * Traces and durations for OpenTelemetry. Needs the optional peer `@opentelemetry/api`.
 *
 * @module zitadel-user-grants/opentelemetry
 */
import type {
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Attributes,
  type Context,
  context,
  type Histogram,
  INVALID_SPANID,
  metrics,
  propagation,
  type Span,
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
  return (next) => (request) => {
    const observed = attempt(() => {
      duration ??= createDuration();
      return observe(request, duration);
    });
    const within = observed?.within;
    if (propagate && observed !== undefined) {
      attempt(() => propagation.inject(within ?? observed.active, request.header, setter));
    }
    const end = (reason?: unknown) => {
      attempt(() => observed?.end(reason));
    };
    const succeeded = (response: Response): Response => {
      if (response.stream) {
        return Object.create(response, { message: { value: watch(response.message, end) } });
      }
      end();
      return response;
    };
    const failed = (reason: unknown): never => {
      end(reason);
      throw reason;
    };
    return callIn(within, async () => next(request)).then(succeeded, failed);
  };
}

/** What an observer does must not affect the call: whatever it throws, or rejects with later, is ignored. */
function attempt<R>(observation: () => R): R | undefined {
  try {
    const result: R | PromiseLike<unknown> = observation();
    if (typeof (result as { then?: unknown } | undefined)?.then === "function") {
      Promise.resolve(result).catch(() => undefined);
    }
    return result;
  } catch {
    return undefined;
  }
}

/** Calls within a context, once, whatever its manager does. */
function callIn<R>(within: Context | undefined, call: () => Promise<R>): Promise<R> {
  let called: Promise<R> | undefined;
  const once = () => {
    called ??= call();
    return called;
  };
  if (within !== undefined) {
    attempt(() => context.with(within, once));
  }
  return once();
}

/** Begins the span of a call. */
function observe(request: UnaryRequest | StreamRequest, duration: Histogram) {
  const startMs = platform.monotonicMs();
  const attributes = attributesOf(request);
  const active = context.active();
  const options = { kind: SpanKind.CLIENT, attributes };
  const span = trace.getTracer(name).startSpan(String(attributes["rpc.method"]), options, active);
  // Without an SDK, no context can contain a span.
  const isTraced = span.spanContext().spanId !== INVALID_SPANID;
  return {
    active,
    within: isTraced ? trace.setSpan(active, span) : undefined,
    end(reason: unknown) {
      const outcome = reason === undefined ? ok : describe(reason);
      attempt(() => finish(span, outcome));
      const seconds = (platform.monotonicMs() - startMs) / 1000;
      return duration.record(seconds, { ...attributes, ...outcome });
    },
  };
}

const setter = {
  set(header: Headers, name: string, value: string) {
    header.set(name, value);
  },
};

type Response = UnaryResponse | StreamResponse;

function createDuration(): Histogram {
  return metrics.getMeter(name).createHistogram("rpc.client.call.duration", {
    unit: "s",
    description: "Measures the duration of outbound remote procedure calls",
  });
}

/** What is recorded of a call, whatever comes of it. */
function attributesOf({ method, url }: UnaryRequest | StreamRequest): Attributes {
  const { hostname, port, protocol } = new URL(url);
  return {
    "rpc.system.name": "grpc",
    "rpc.method": `${method.parent.typeName}/${method.name}`,
    "server.address": hostname,
    "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
  };
}

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

function finish(span: Span, outcome: Attributes): unknown {
  span.setAttributes(outcome);
  if (outcome["error.type"] !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  return span.end();
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
