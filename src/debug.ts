/**
 * Shows requests and responses, with secrets masked.
 *
 * @module zitadel-user-grants/debug
 */
import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import type { Observer } from "./common/hooks.js";
import { platform } from "./common/time.js";
import { createMask, isSecretName, type Mask, maskJson } from "./errors/mask.js";
import { boolean, type Checks, checkOptions, isFunction, show } from "./options/checker.js";

/** What was sent and received, in order. */
export type DebugEvent = DebugAttempt &
  (
    | { readonly type: "request"; readonly header: DebugHeader }
    | { readonly type: "message"; readonly from: "client" | "server"; readonly message: JsonValue }
    | { readonly type: "response"; readonly header: DebugHeader; readonly durationMs: number }
    | {
        readonly type: "end";
        readonly trailer: DebugHeader;
        readonly requestId: string | undefined;
        readonly durationMs: number;
      }
    | {
        readonly type: "error";
        readonly code: Code;
        readonly message: string;
        readonly metadata: DebugHeader;
        readonly requestId: string | undefined;
        readonly durationMs: number;
      }
  );

/** The fields of every event. */
export interface DebugAttempt {
  /** Numbers the attempts of the program from 1: a retried call has several. */
  readonly attempt: number;
  /** `zitadel.management.v1.ManagementService/DeactivateUserGrant` */
  readonly method: string;
  /** The address, without its query: over HTTP/JSON, that is a part of the message. */
  readonly url: string;
}

/** Header fields; secrets among them as `***`. */
export type DebugHeader = Readonly<Record<string, string>>;

/** The options of `debug`. */
export interface DebugOptions {
  /**
   * Whether messages are shown, as JSON. Default false: they may hold secrets, such as passwords and codes, of
   * which none is masked but the token that the call sent.
   */
  messages?: boolean | undefined;
}

const checks: Checks<DebugOptions> = { messages: boolean };

let attempts = 0;

/**
 * Creates the option `debug` of a client: it shows each attempt of each call as it is sent, with its token,
 * organization and retries, and its response. The values of `authorization`, of cookies, and of every header
 * field whose name suggests a token, a key, a secret or a password are `***`, wherever they are repeated. Of
 * addresses the query is left out, and messages are shown only on request.
 *
 * @param log is called with each event. What it throws or rejects with is ignored: logging must not fail a
 * call.
 * @param options what is shown besides.
 * @returns the value of the option `debug`.
 * @throws TypeError when `log` is not a function, or for an option that is unknown or not allowed.
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
export function debug(log: (event: DebugEvent) => unknown, options: DebugOptions = {}): Observer {
  if (!isFunction(log)) {
    throw new TypeError(`debug: log must be a function; got ${show(log)}`);
  }
  const { messages = false } = checkOptions(options, checks, { caller: "debug" });
  const emit = async (event: DebugEvent) => {
    try {
      await log(event);
    } catch {
      // What a log throws or rejects with must not affect the call.
    }
  };
  return ({ method, url, header, secrets }) => {
    const start = platform.monotonicMs();
    const about: DebugAttempt = {
      attempt: ++attempts,
      method: `${method.parent.typeName}/${method.name}`,
      url: url.replace(/[?#].*$/s, ""),
    };
    const mask = createMask(secrets);
    const shown = (fields: Headers) => maskedHeader(fields, mask);
    const timed = () => ({ ...about, durationMs: platform.monotonicMs() - start });
    let requestId: string | undefined;
    emit({ ...about, type: "request", header: shown(header) });
    return {
      onMessage(from, message) {
        if (messages) {
          const schema = from === "client" ? method.input : method.output;
          emit({ ...about, type: "message", from, message: asJson(schema, message, mask) });
        }
      },
      onResponse(fields) {
        requestId = idOf(fields);
        emit({ ...timed(), type: "response", header: shown(fields) });
      },
      onEnd(trailer) {
        emit({ ...timed(), type: "end", trailer: shown(trailer), requestId });
      },
      onError({ code, rawMessage, metadata }) {
        emit({
          ...timed(),
          type: "error",
          code,
          message: mask.text(rawMessage),
          metadata: shown(metadata),
          requestId: idOf(metadata) ?? requestId,
        });
      },
    };
  };
}

const idOf = (fields: Headers) => fields.get("x-request-id") ?? undefined;

function maskedHeader(headers: Headers, mask: Mask): DebugHeader {
  const shown: [name: string, value: string][] = [];
  headers.forEach((value, name) => {
    shown.push([
      mask.text(name),
      isSecretName(name) ? value.replace(/^(bearer |basic )?.*$/is, "$1***") : mask.text(value),
    ]);
  });
  return Object.fromEntries(shown);
}

function asJson(schema: DescMessage, message: MessageShape<DescMessage>, mask: Mask): JsonValue {
  try {
    return maskJson(toJson(schema, message), mask);
  } catch {
    return `a ${schema.typeName} that has no JSON`;
  }
}
