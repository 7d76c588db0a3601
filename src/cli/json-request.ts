import type { JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { maskError } from "../errors/mask-error.js";
import { unexpectedResponse } from "../transports/call/unexpected-response.js";
import { gatewayError } from "../transports/json/error.js";
import type { Connection, RequestOptions } from "./connection.js";
import { isRecord } from "./grant-record.js";
import { reasonOf } from "./whoami.js";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Sends a JSON request to one of ZITADEL's HTTP routes.
 *
 * @throws ConnectError with ZITADEL's code and detail; `ResourceExhausted` for HTTP 429; `Unavailable` when
 * there is no connection; `DeadlineExceeded` when it takes too long; `Canceled` when the signal is aborted.
 */
export async function sendJson(
  connection: Connection,
  path: string,
  options: RequestOptions = {},
): Promise<JsonObject> {
  try {
    return await send(connection, path, options);
  } catch (error) {
    throw maskError(error, connection.mask(), options.signal?.reason);
  }
}

async function send(
  connection: Connection,
  path: string,
  options: RequestOptions,
): Promise<JsonObject> {
  let response: Response;
  let text: string;
  try {
    response = await connection.request(path, options);
    text = await response.text();
  } catch (reason) {
    throw connectionFailure(reason, connection.baseUrl, options.signal);
  }
  const { status, headers, ok } = response;
  const json = parse(text, headers);
  if (ok && isRecord(json)) {
    return json;
  }
  if (status === 429) {
    throw new ConnectError(
      "too many requests (HTTP 429): the server's rate limit",
      Code.ResourceExhausted,
      headers,
    );
  }
  const error = ok ? undefined : gatewayError(json as JsonValue, headers);
  if (error !== undefined) {
    throw error;
  }
  throw unexpectedResponse({
    status,
    headers,
    body: text.slice(0, 2000),
    expected: "JSON",
  });
}

function parse(text: string, headers: Headers): unknown {
  if (!/\bjson\b/i.test(headers.get("content-type") ?? "")) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function connectionFailure(
  reason: unknown,
  baseUrl: string,
  signal: AbortSignal | undefined,
): ConnectError {
  if (reason instanceof ConnectError) {
    // The token source failed.
    return reason;
  }
  if (signal?.aborted) {
    return new ConnectError("interrupted", Code.Canceled, undefined, undefined, reason);
  }
  return reason instanceof Error && reason.name === "TimeoutError"
    ? new ConnectError(`no response from ${baseUrl} in time`, Code.DeadlineExceeded)
    : new ConnectError(
        `no response from ${baseUrl}: ${reasonOf(reason)}`,
        Code.Unavailable,
        undefined,
        undefined,
        reason,
      );
}
