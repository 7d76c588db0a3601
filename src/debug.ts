/**
 * Shows requests and responses, with secrets masked.
 *
 * @module zitadel-user-grants/debug
 */
import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { type Code, ConnectError } from "@connectrpc/connect";
import { platform } from "./common/environment.js";
import { createMask, type Mask } from "./common/mask.js";
import { maskSecretFields } from "./common/secret-fields.js";
import { isSecretName, secretsOf } from "./common/secret-names.js";
import { maskField, maskJson } from "./errors/mask-error.js";
import { isFunction, show } from "./options/checker.js";

/** What was sent and received, in order. */
export type DebugEvent =
  | (DebugAttempt & { readonly type: "request"; readonly header: DebugHeader })
  | (DebugAttempt & {
      readonly type: "message";
      readonly from: "client" | "server";
      readonly message: JsonValue;
    })
  | (DebugAttempt & {
      readonly type: "response";
      readonly header: DebugHeader;
      readonly durationMs: number;
    })
  | (DebugAttempt & {
      readonly type: "end";
      readonly trailer: DebugHeader;
      readonly durationMs: number;
    })
  | (DebugAttempt & {
      readonly type: "error";
      readonly code: Code;
      readonly message: string;
      readonly metadata: DebugHeader;
      readonly durationMs: number;
    });

/** The fields of every event. */
export interface DebugAttempt {
  /** Numbers the attempts of the program from 1: a retried call has several. */
  readonly attempt: number;
  /** `zitadel.management.v1.ManagementService/DeactivateUserGrant` */
  readonly method: string;
  readonly url: string;
}

/** Header fields; secrets among them as `***`. */
export type DebugHeader = Readonly<Record<string, string>>;

let attempts = 0;

/**
 * Creates the option `debug` of a client: it shows each attempt of each call as it is sent, with its token,
 * organization and retries, and its response. Secrets are masked as `***`: the value of `authorization`, of
 * cookies, and of every field of a header or a message whose name suggests a token, a key, a secret or a
 * password, and those values wherever they are repeated.
 *
 * @param log is called with each event. Errors that it throws are ignored: logging must not fail a call.
 * @returns an interceptor for the option `debug`; under `interceptors` it would see neither token nor
 * retries.
 * @throws TypeError when `log` is not a function.
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { debug } from "zitadel-user-grants/debug";
 *
 * const client = createManagementClient({
 *   baseUrl: "https://example.zitadel.cloud",
 *   debug: debug(console.error),
 * });
 * ```
 */
export function debug(log: (event: DebugEvent) => void): Interceptor {
  if (!isFunction(log)) {
    throw new TypeError(`debug: log must be a function; got ${show(log)}`);
  }
  const emit = (event: DebugEvent) => {
    try {
      log(event);
    } catch {
      // An observer must not affect the call.
    }
  };
  return (next) => async (request) => {
    const start = platform.monotonicMs();
    const about: DebugAttempt = {
      attempt: ++attempts,
      method: `${request.service.typeName}/${request.method.name}`,
      url: request.url,
    };
    const secrets = secretsOf(request.header);
    let mask = createMask(secrets);
    const learn = (more: readonly string[]) => {
      if (more.length > 0) {
        secrets.push(...more);
        mask = createMask(secrets);
      }
    };
    const masked = (headers: Headers) => {
      learn(secretsOf(headers));
      return maskedHeader(headers, mask);
    };
    const message = (
      from: "client" | "server",
      schema: DescMessage,
      shape: MessageShape<DescMessage>,
    ) => {
      const found: string[] = [];
      const json = maskSecretFields(asJson(schema, shape), (secret) => found.push(secret));
      learn(found);
      emit({ ...about, type: "message", from, message: maskJson(json, mask) });
    };
    const durationMs = () => platform.monotonicMs() - start;
    const { input, output } = request.method;
    const fail = (reason: unknown) => {
      const error = ConnectError.from(reason);
      const { code, rawMessage } = error;
      const metadata = masked(error.metadata);
      emit({
        ...about,
        type: "error",
        code,
        message: mask.text(rawMessage),
        metadata,
        durationMs: durationMs(),
      });
    };
    async function* watch(messages: AsyncIterable<MessageShape<DescMessage>>, trailer: Headers) {
      try {
        for await (const one of messages) {
          message("server", output, one);
          yield one;
        }
      } catch (reason) {
        fail(reason);
        throw reason;
      }
      emit({ ...about, type: "end", trailer: masked(trailer), durationMs: durationMs() });
    }
    async function* sent(messages: AsyncIterable<MessageShape<DescMessage>>) {
      for await (const one of messages) {
        message("client", input, one);
        yield one;
      }
    }
    emit({ ...about, type: "request", header: maskedHeader(request.header, mask) });
    if (!request.stream) {
      message("client", input, request.message);
    }
    try {
      const response = await next(
        request.stream
          ? Object.create(request, { message: { value: sent(request.message) } })
          : request,
      );
      const header = masked(response.header);
      emit({ ...about, type: "response", header, durationMs: durationMs() });
      if (response.stream) {
        return Object.create(response, {
          message: { value: watch(response.message, response.trailer) },
        });
      }
      message("server", output, response.message);
      emit({
        ...about,
        type: "end",
        trailer: masked(response.trailer),
        durationMs: durationMs(),
      });
      return response;
    } catch (reason) {
      fail(reason);
      throw reason;
    }
  };
}

function maskedHeader(headers: Headers, mask: Mask): DebugHeader {
  const shown: [name: string, value: string][] = [];
  headers.forEach((value, name) => {
    shown.push(
      isSecretName(name)
        ? [mask.text(name), value.replace(/^(bearer |basic )?.*$/is, "$1***")]
        : maskField(name, value, mask),
    );
  });
  return Object.fromEntries(shown);
}

function asJson(schema: DescMessage, message: MessageShape<DescMessage>): JsonValue {
  try {
    return toJson(schema, message);
  } catch {
    return `a ${schema.typeName} that has no JSON`;
  }
}
