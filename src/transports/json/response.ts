import type { DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { decided, decides } from "../../errors/certainty.js";
import type { JsonOptions } from "../../options/client-options.js";
import type { Attempt, TransportOptions } from "../call/attempt.js";
import { unexpectedResponse } from "../call/status.js";
import { connectionError } from "../fetch/guarded-fetch.js";
import { gatewayError } from "./error.js";
import type { HttpBinding } from "./http-rule/bindings.js";
import type { JsonParts } from "./http-rule/json-parts.js";
import { isObject, isText } from "./http-rule/text.js";

const incomplete = "cut off or malformed";

/**
 * Reads the response to a call. Only JSON of the response message with a status of 2xx counts as success: a
 * proxy's page with status 200 must never be reported as a successful removal.
 *
 * @throws ConnectError the gateway's own; `ResourceExhausted` beyond `readMaxBytes`; for a response that is
 * not ZITADEL's, the code by the gRPC mapping of HTTP statuses.
 */
export async function readResponse(
  response: Response,
  { responseBody }: HttpBinding,
  { method: { output }, url, call }: Attempt,
  { jsonOptions, readMaxBytes }: TransportOptions<JsonOptions>,
  fromJson: JsonParts["fromJson"],
): Promise<MessageShape<DescMessage>> {
  const { status, headers, ok } = response;
  let text = "";
  const failure = (problem?: string) =>
    unexpectedResponse({
      status,
      headers,
      body: text,
      expected: "JSON",
      problem,
    });
  try {
    // React Native has no body stream.
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    for (let bytes = 0; ; ) {
      const { value } = (await reader?.read()) ?? {};
      if (value === undefined) {
        text += reader === undefined ? await response.text() : decoder.decode();
        break;
      }
      bytes += value.byteLength;
      if (bytes > readMaxBytes) {
        reader?.cancel().catch(() => undefined);
        throw new ConnectError(
          `the response has more than ${readMaxBytes} bytes (readMaxBytes)`,
          Code.ResourceExhausted,
          headers,
        );
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (reason) {
    throw ok || call.ended || reason instanceof ConnectError
      ? connectionError(reason, url, call.signal)
      : failure(incomplete);
  }
  if (!/^application\/([\w.-]+\+)?json\b/i.test(headers.get("content-type") ?? "")) {
    throw failure();
  }
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch {
    throw failure(incomplete);
  }
  const error = ok && output.field.code ? undefined : gatewayError(json, headers);
  if (error !== undefined) {
    throw !ok && decides(error.code) ? decided(error, "rejected") : error;
  }
  if (!ok) {
    throw failure();
  }
  if (responseBody !== undefined) {
    json = { [responseBody.jsonName]: json };
  }
  if (jsonOptions?.ignoreUnknownFields === undefined && isForeign(json, output)) {
    throw failure(`no field of ${output.typeName}`);
  }
  try {
    return fromJson(output, json, { ignoreUnknownFields: true, ...jsonOptions });
  } catch {
    throw failure(`not ${output.typeName}`);
  }
}

/**
 * Whether JSON has only unknown fields: then it is not ZITADEL's response. A newer server's additional fields
 * come with known ones.
 */
function isForeign(json: JsonValue, message: DescMessage): boolean {
  return (
    isObject(json) &&
    !isText(message) &&
    Object.keys(json).length > 0 &&
    !message.fields.some(({ name, jsonName }) => name in json || jsonName in json)
  );
}
