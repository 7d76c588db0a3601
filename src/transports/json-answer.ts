import type {
  DescMessage,
  JsonObject,
  JsonReadOptions,
  JsonValue,
  MessageShape,
} from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectionError } from "./guarded-fetch.js";
import type { HttpBinding } from "./http-rule.js";
import { gatewayError } from "./json-error.js";
import { unexpectedAnswer } from "./unexpected-answer.js";

/** What reading an answer takes from its call. */
export interface AnsweredCall<O extends DescMessage> {
  output: O;
  signal: AbortSignal;
  readMaxBytes: number;
  jsonOptions: Partial<JsonReadOptions> | undefined;
  authorization: string | null;
}

/**
 * Reads the answer to a call. Only JSON of the response message with a status of 2xx counts as success:
 * a page of a proxy with status 200 must never pass for a removal that was done.
 *
 * @throws ConnectError the gateway's own; `ResourceExhausted` beyond `readMaxBytes`; else, for what is
 * not ZITADEL's answer, the code by the gRPC mapping of HTTP statuses.
 */
export async function readAnswer<O extends DescMessage>(
  response: Response,
  { responseBody }: HttpBinding,
  call: AnsweredCall<O>,
): Promise<MessageShape<O>> {
  const { status, headers, ok } = response;
  const { text, end, reason } = await readText(response, call.readMaxBytes);
  if (call.signal.aborted) {
    throw connectionError(reason, response.url, call.signal);
  }
  const refuse = (problem?: string) =>
    unexpectedAnswer({
      status,
      headers,
      body: text,
      expected: "JSON",
      problem,
      authorization: call.authorization,
    });
  if (end === "too long" && ok) {
    throw new ConnectError(
      `the answer has more than ${call.readMaxBytes} bytes (readMaxBytes). Whether the call was carried out is not known`,
      Code.ResourceExhausted,
      headers,
    );
  }
  if (end !== undefined) {
    throw ok ? connectionError(reason, response.url, call.signal) : refuse(`the answer is cut off`);
  }
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(headers.get("content-type") ?? "")) {
    throw refuse();
  }
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch {
    throw refuse("the answer is malformed or cut off");
  }
  const error =
    ok && call.output.field.code !== undefined ? undefined : gatewayError(json, headers);
  if (error !== undefined) {
    throw error;
  }
  if (!ok || response.redirected) {
    throw refuse(ok ? "a redirect was followed" : undefined);
  }
  if (responseBody !== undefined) {
    json = { [responseBody.jsonName]: json };
  }
  if (call.jsonOptions?.ignoreUnknownFields === undefined && isForeign(json, call.output)) {
    throw refuse(`no field of it is one of ${call.output.typeName}`);
  }
  try {
    return fromJson(call.output, json, { ignoreUnknownFields: true, ...call.jsonOptions });
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause));
  }
}

/**
 * Whether JSON has fields, and none that the message knows: then it is the answer of something else. A
 * newer server's additional fields come beside known ones.
 */
function isForeign(json: JsonValue, message: DescMessage): boolean {
  if (
    typeof json !== "object" ||
    json === null ||
    message.typeName.startsWith("google.protobuf.")
  ) {
    return false;
  }
  const names = Object.keys(json as JsonObject);
  return (
    names.length > 0 &&
    !message.fields.some((field) => names.includes(field.jsonName) || names.includes(field.name))
  );
}

/** The body as far as it came. */
async function readText(
  response: Response,
  maxBytes: number,
): Promise<{ text: string; end?: "too long" | "broken off"; reason?: unknown }> {
  // React Native has no body to read from.
  const reader = response.body?.getReader();
  if (reader === undefined) {
    const text = await response.text();
    return text.length > maxBytes ? { text, end: "too long" } : { text };
  }
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let bytes = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) {
        return { text: text + decoder.decode() };
      }
      bytes += value.byteLength;
      if (bytes > maxBytes) {
        reader.cancel().catch(() => undefined);
        return { text, end: "too long" };
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (reason) {
    return { text, end: "broken off", reason };
  }
}
