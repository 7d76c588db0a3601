/**
 * Traces and durations for OpenTelemetry. Needs the optional peer `@opentelemetry/api`.
 *
 * @module zitadel-user-grants/opentelemetry
 */
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Attributes,
  context,
  metrics,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { platform } from "./common/environment.js";
import { describeError } from "./errors/describe.js";

/** What `openTelemetry` takes. */
export interface OpenTelemetryOptions {
  /**
   * Whether `traceparent` and what else the program's propagators have goes out with calls. Default
   * true, and false in a web page, where ZITADEL's CORS rules would fail every call with them.
   */
  propagate?: boolean | undefined;
}

const name = "zitadel-user-grants";

/**
 * An interceptor that records a span and a duration for each call, by the semantic conventions for RPC
 * (https://opentelemetry.io/docs/specs/semconv/rpc/). Retries of a call are within its span.
 *
 * Attributes are the method, the server, the status code and ZITADEL's id of an error's cause
 * (`zitadel.error.id`: `COMMAND-3M9sd`). Messages, tokens, and ids of users, grants and organizations are
 * not among them.
 *
 * @param options everything has a default.
 * @returns an interceptor for the option `interceptors`.
 * @throws nothing.
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
  const { propagate = typeof document === "undefined" } = options;
  return (next) => {
    // Asked for when the client is made, so that providers registered by then count.
    const tracer = trace.getTracer(name);
    const duration = metrics.getMeter(name).createHistogram("rpc.client.call.duration", {
      unit: "s",
      description: "Measures the duration of outbound remote procedure calls",
    });
    return async (request) => {
      const method = `${request.service.typeName}/${request.method.name}`;
      const { hostname, port, protocol } = new URL(request.url);
      const attributes: Attributes = {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "server.address": hostname,
        "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
      };
      const start = platform.monotonicMs();
      const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes });
      const within = trace.setSpan(context.active(), span);
      if (propagate) {
        propagation.inject(within, request.header, {
          set: (header, key, value) => header.set(key, value),
        });
      }
      const end = (reason?: unknown) => {
        const outcome = describe(reason);
        finish(span, outcome);
        duration.record((platform.monotonicMs() - start) / 1000, { ...attributes, ...outcome });
      };
      try {
        const response = await context.with(within, () => next(request));
        if (response.stream) {
          return Object.create(response, { message: { value: watch(response.message, end) } });
        }
        end();
        return response;
      } catch (reason) {
        end(reason);
        throw reason;
      }
    };
  };
}

/** "COMMAND-3M9sd". Whatever else a server sends as an id is not for a telemetry backend. */
const idShape = /^[A-Z][A-Z0-9_]{1,15}-[A-Za-z0-9]{3,8}$/;

/** What came of a call, as attributes. */
function describe(reason: unknown): Attributes {
  if (reason === undefined) {
    return { "rpc.response.status_code": "OK" };
  }
  const { code, id } = describeError(reason);
  const status = Code[code].replace(/(?<=.)([A-Z])/g, "_$1").toUpperCase();
  // gRPC spells this one so.
  const spelled = status === "CANCELED" ? "CANCELLED" : status;
  return {
    "rpc.response.status_code": spelled,
    "error.type": spelled,
    ...(id !== undefined && idShape.test(id) && { "zitadel.error.id": id }),
  };
}

function finish(span: Span, outcome: Attributes): void {
  span.setAttributes(outcome);
  if (outcome["error.type"] !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** Says once how a stream ended: to its end, with an error, or left by its reader. */
async function* watch<T>(
  messages: AsyncIterable<T>,
  end: (reason?: unknown) => void,
): AsyncGenerator<T> {
  let failed = false;
  let complete = false;
  try {
    yield* messages;
    complete = true;
  } catch (reason) {
    failed = true;
    end(reason);
    throw reason;
  } finally {
    if (!failed) {
      end(complete ? undefined : new ConnectError("left", Code.Canceled));
    }
  }
}
