import type {
  DescMessage,
  JsonObject,
  JsonValue,
  MessageShape,
  Registry,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { decided, decides } from "../../errors/certainty.js";
import { writeZitadelDetail } from "../../errors/zitadel-detail.js";
import type { JsonOptions } from "../../options/client-options.js";
import type { Attempt, TransportOptions } from "../call/attempt.js";
import { unexpectedResponse } from "../call/status.js";
import { bodyChunks } from "../fetch/body.js";
import { connectionError } from "../fetch/guarded-fetch.js";
import type { JsonParts } from "./request.js";
import { type HttpBinding, isObject, isText } from "./template.js";

const incomplete = "cut off or malformed";

/**
 * Reads the response to a call. Only what looks like the RPC's own response, with a status of 2xx, counts as
 * success: a page or an envelope of a gateway with status 200 must never be reported as a successful removal.
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
    unexpectedResponse({ status, headers, body: text, expected: "JSON", problem });
  try {
    text = await readText(response, readMaxBytes);
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
  if (ok && responseBody !== undefined) {
    json = { [responseBody.jsonName]: json };
  } else {
    const error = ok && output.field.code ? undefined : gatewayError(json, headers, fromJson);
    if (error !== undefined) {
      const isStatus = !ok && isObject(json) && json.message !== undefined;
      throw isStatus && decides(error.code) ? decided(error, "rejected") : error;
    }
    if (!ok) {
      throw failure();
    }
    if (!isText(output)) {
      const problem = foreign(json, output);
      if (problem !== undefined) {
        throw failure(problem);
      }
    }
  }
  try {
    return fromJson(output, json, { ignoreUnknownFields: true, ...jsonOptions });
  } catch {
    throw failure(`not ${output.typeName}`);
  }
}

async function readText(response: Response, readMaxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // React Native has no body stream.
  const chunks = response.body ? bodyChunks(response) : [encode(await response.text())];
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > readMaxBytes) {
      throw new ConnectError(
        `the response has more than ${readMaxBytes} bytes (readMaxBytes)`,
        Code.ResourceExhausted,
        response.headers,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Fields of the envelopes in which gateways and firewalls report errors with status 200. */
const envelope = /^(?:code|errors?|fault|message|status|statuscode)$/i;

/**
 * Why JSON is not the RPC's own response; undefined if it is. Fields that newer servers add are ignored, but
 * those of envelopes. `{}` of a gateway cannot be told from the response of an RPC that returns nothing.
 */
function foreign(json: JsonValue, message: DescMessage): string | undefined {
  if (!isObject(json)) {
    return `not ${message.typeName}`;
  }
  const known = new Set(message.fields.flatMap(({ name, jsonName }) => [name, jsonName]));
  const names = Object.keys(json);
  const strange = names.find(
    (name) =>
      !known.has(name) &&
      (envelope.test(name) || (/^(?:ok|success)$/i.test(name) && json[name] === false)),
  );
  if (strange !== undefined) {
    return `the field ${JSON.stringify(strange)} is not of ${message.typeName}`;
  }
  const [first] = message.fields;
  if (message.fields.length === 1 && first?.message?.typeName === "zitadel.v1.ObjectDetails") {
    // All that such a response holds, and never empty.
    const details = json[first.jsonName] ?? json[first.name];
    const fields = isObject(details) ? details : {};
    return first.message.fields.some(
      (field) => (fields[field.jsonName] ?? fields[field.name]) != null,
    )
      ? undefined
      : `no ${first.name} of ${message.typeName}`;
  }
  return names.length > 0 && known.size > 0 && !names.some((name) => known.has(name))
    ? `no field of ${message.typeName}`
    : undefined;
}

/** More would be a flood. Over gRPC, the limit for headers keeps them few. */
const maxDetails = 100;

/**
 * The error that grpc-gateway writes as `{"code", "message", "details"}`: `google.rpc.Status` in JSON.
 * Undefined when JSON is something else.
 *
 * @param fromJson reads details of the types that `findDetails` is asked for.
 */
function gatewayError(
  json: JsonValue,
  headers: Headers,
  fromJson: JsonParts["fromJson"],
): ConnectError | undefined {
  if (!isObject(json)) {
    return undefined;
  }
  const { code, message = "", details } = json;
  if (typeof code !== "number" || !(code in Code) || typeof message !== "string") {
    return undefined;
  }
  const error = new ConnectError(message, code, headers);
  error.isWireError = true;
  for (const detail of Array.isArray(details) ? details : []) {
    if (isObject(detail) && typeof detail["@type"] === "string" && !isNested(detail)) {
      error.details.push(toDetail(detail));
    }
    if (error.details.length === maxDetails) {
      break;
    }
  }
  return Object.defineProperty(error, "findDetails", {
    value(this: ConnectError, types: DescMessage | Registry) {
      return findDetails(this, types, fromJson);
    },
    configurable: true,
  });
}

/** Whether it is nested deeper than messages of protobuf may be. */
function isNested(json: JsonValue, levels = 100): boolean {
  return (
    typeof json === "object" &&
    json !== null &&
    (levels === 0 || Object.values(json).some((inner) => isNested(inner, levels - 1)))
  );
}

type Detail = ConnectError["details"][number];

/** A detail with its JSON; with its bytes if it is ZITADEL's. */
function toDetail({ "@type": url, ...debug }: JsonObject): Detail {
  const type = String(url).replace(/.*\//, "");
  return {
    type,
    // A tag with field number 0, which every decoder rejects: empty bytes would decode as a detail of this
    // type without any field.
    value: writeZitadelDetail(type, debug) ?? Uint8Array.of(0),
    debug,
  };
}

/** `findDetails` of Connect, for details of which there is JSON and no bytes. */
function findDetails(
  error: ConnectError,
  types: DescMessage | Registry,
  fromJson: JsonParts["fromJson"],
): MessageShape<DescMessage>[] {
  return error.details.flatMap((detail) => {
    const { type, debug, value } = detail as { type?: string; debug?: JsonObject; value: unknown };
    if (type === undefined || debug === undefined || (value as Uint8Array)[0] !== 0) {
      const one = new ConnectError("", error.code);
      one.details = [detail];
      return one.findDetails(types as DescMessage);
    }
    const desc = types.kind === "registry" ? types.getMessage(type) : types;
    if (desc?.typeName !== type) {
      return [];
    }
    try {
      // Messages with a JSON form of their own have it in a field (proto3 JSON of `Any`).
      const json = isText(desc) ? debug.value : debug;
      return [fromJson(desc, json as JsonValue, { ignoreUnknownFields: true })];
    } catch {
      return [];
    }
  });
}
