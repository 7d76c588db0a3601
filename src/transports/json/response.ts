import type {
  DescField,
  DescMessage,
  JsonObject,
  JsonValue,
  MessageShape,
  Registry,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { decided, decides } from "../../errors/certainty.js";
import type { JsonOptions } from "../../options/options.js";
import type { Attempt, TransportOptions } from "../call/attempt.js";
import type { JsonFormat } from "../call/codec.js";
import { unexpectedResponse } from "../call/status.js";
import { connectionError, readText } from "../fetch/fetch.js";
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
  { fromJson }: JsonFormat,
): Promise<MessageShape<DescMessage>> {
  const { status, headers, ok } = response;
  let text = "";
  const failure = (problem?: string) =>
    unexpectedResponse({ status, headers, body: text, expected: "JSON", problem });
  try {
    const read = await readText(response, readMaxBytes);
    if (read === undefined) {
      throw new ConnectError(
        `the response has more than ${readMaxBytes} bytes (readMaxBytes)`,
        Code.ResourceExhausted,
        headers,
      );
    }
    text = read;
  } catch (reason) {
    throw ok || call.ended || reason instanceof ConnectError
      ? connectionError(reason, url, call.signal)
      : failure(incomplete);
  }
  if (!/^application\/json\s*(?:[;,]|$)/i.test(headers.get("content-type") ?? "")) {
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
  }
  try {
    if (responseBody !== undefined || isText(output) || isOwn(json, output)) {
      return fromJson(output, json, { ignoreUnknownFields: true, ...jsonOptions });
    }
  } catch {
    // It has a field of another type.
  }
  throw failure(`not ${output.typeName}`);
}

/** Fields of the envelopes in which gateways and firewalls report errors with status 200. */
const envelope = /^(?:code|errors?|fault|message|status|statuscode)$/i;

/**
 * Whether JSON is the RPC's own response. Fields that newer servers add are ignored, but those of envelopes.
 * `{}` of a gateway cannot be told from the response of an RPC that returns nothing.
 */
function isOwn(json: JsonValue, { fields }: DescMessage): boolean {
  const fieldOf = (object: JsonValue | undefined, { name, jsonName }: DescField) =>
    isObject(object) ? (object[jsonName] ?? object[name] ?? undefined) : undefined;
  const isKnown = (key: string) =>
    fields.some(({ name, jsonName }) => key === name || key === jsonName);
  const strange = Object.keys(json ?? {}).filter((key) => !isKnown(key));
  const [first] = fields;
  return (
    isObject(json) &&
    !strange.some((key) => envelope.test(key) || (/^(?:ok|success)$/i.test(key) && !json[key])) &&
    // All that many responses of ZITADEL hold, and never empty.
    (fields.length === 1 && first?.message?.typeName === "zitadel.v1.ObjectDetails"
      ? first.message.fields.some((field) => fieldOf(fieldOf(json, first), field) !== undefined)
      : strange.length === 0 || fields.length === 0 || strange.length < Object.keys(json).length)
  );
}

/** More would be a flood. Over gRPC, the limit for headers keeps them few. */
const maxDetails = 100;

/**
 * The error that grpc-gateway writes as `{"code", "message", "details"}`: `google.rpc.Status` in JSON.
 * Undefined when JSON is something else.
 */
function gatewayError(
  json: JsonValue,
  headers: Headers,
  fromJson: JsonFormat["fromJson"],
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
    if (isObject(detail) && typeof detail["@type"] === "string") {
      error.details.push(toDetail(detail));
    }
    if (error.details.length === maxDetails) {
      break;
    }
  }
  // Connect's own decodes bytes.
  return Object.defineProperty(error, "findDetails", {
    configurable: true,
    value(this: ConnectError, types: DescMessage | Registry) {
      return this.details.flatMap((detail) => decodeDetail(detail, types, fromJson));
    },
  });
}

type Detail = ConnectError["details"][number];

/** A detail with its JSON. */
function toDetail({ "@type": url, ...debug }: JsonObject): Detail {
  const type = String(url).replace(/^.*\//, "");
  // A tag with field number 0, which every decoder rejects: empty bytes would decode as a detail of this type
  // without any field.
  return { type, value: Uint8Array.of(0), debug };
}

/** None for a detail of another type, and for one that does not decode. */
function decodeDetail(
  detail: Detail,
  types: DescMessage | Registry,
  fromJson: JsonFormat["fromJson"],
): MessageShape<DescMessage>[] {
  const { type = "", debug } = detail as { type?: string; debug?: JsonObject };
  const desc = types.kind === "registry" ? types.getMessage(type) : types;
  if (desc?.typeName !== type || debug === undefined) {
    return [];
  }
  try {
    // Messages with a JSON form of their own have it in a field (proto3 JSON of `Any`).
    const json = isText(desc) ? (debug.value ?? null) : debug;
    return [fromJson(desc, json, { ignoreUnknownFields: true })];
  } catch {
    return [];
  }
}
