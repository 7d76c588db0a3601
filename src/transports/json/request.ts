import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonValue,
  type JsonWriteOptions,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { decided } from "../../errors/certainty.js";
import type { JsonFormat } from "../call/codec.js";
import {
  type HttpBinding,
  httpBindings,
  isObject,
  isText,
  isWildcard,
  matchSegments,
  matchTemplate,
  toText,
} from "./template.js";

/** Parts that a page loads only if its services need them: see `anyService` and `plain-json.ts`. */
export interface JsonParts extends JsonFormat {
  toQuery?: typeof toQuery;
  rejectOtherRoutes?: typeof rejectOtherRoutes;
}

/** An RPC as an HTTP request. */
export interface HttpRuleRequest {
  readonly binding: HttpBinding;
  readonly verb: string;
  /** Path and query, encoded, without the prefix of the service's routes. */
  readonly target: string;
  /** The JSON of the body; undefined if there is no body. */
  readonly body: string | undefined;
}

/**
 * Builds the HTTP request for an RPC, by the first of its bindings that the message fits.
 *
 * @throws ConnectError `Unimplemented` when the RPC has no usable annotation; `InvalidArgument` when
 * the message fits none of its bindings: a path variable that is empty, does not match its pattern or
 * would lead to another route, or a field that a query cannot carry.
 *
 * @param parts the optional ones can be left out where all RPCs have the body "*" and no route of the
 * service can be taken for another.
 */
export function buildRequest(
  rpc: DescMethod,
  message: Message,
  jsonOptions: Partial<JsonWriteOptions> | undefined,
  parts: JsonParts,
): HttpRuleRequest {
  const bindings = httpBindings(rpc);
  if (typeof bindings === "string") {
    throw uncarried(rpc, bindings);
  }
  let failure: Error | undefined;
  for (const binding of bindings) {
    try {
      return bind(binding, message, jsonOptions, parts);
    } catch (error) {
      failure ??= error as Error;
    }
  }
  const problem = `${rpc.name} was not sent: ${failure?.message}`;
  throw decided(new ConnectError(problem, Code.InvalidArgument), "unfit");
}

/** The error for an RPC that cannot go over HTTP and JSON. */
export function uncarried(rpc: DescMethod, why: string): ConnectError {
  return new ConnectError(
    `HTTP/JSON cannot carry ${rpc.parent.typeName}.${rpc.name}: it ${why}. Use gRPC`,
    Code.Unimplemented,
  );
}

function bind(
  binding: HttpBinding,
  message: Message,
  jsonOptions: Partial<JsonWriteOptions> | undefined,
  parts: JsonParts,
): HttpRuleRequest {
  const { template, verb, rpc, pathFields } = binding;
  // Servers take both names of a field.
  const options = { ...jsonOptions, useProtoFieldName: false };
  const json = parts.toJson(rpc.input, message, options) as JsonObject;
  // A field that is the body is sent whole, including the parts that the path binds.
  const bodyName = typeof binding.body === "object" && binding.body.jsonName;
  let body = bodyName ? JSON.stringify(json[bodyName]) : undefined;
  // A path includes default values, too.
  const full = pathFields.some((fields) => fields !== undefined)
    ? parts.toJson(rpc.input, message, { ...options, alwaysEmitImplicit: true })
    : json;
  const segments = template.parts.flatMap(({ segments: pattern, fieldPath }, index) => {
    const fields = pathFields[index];
    if (fields === undefined) {
      return pattern;
    }
    const value = pathText(fields, full);
    if (/[^ -~]/.test(value) && rpc.parent.typeName.startsWith("zitadel.")) {
      throw new Error(
        `${fieldPath} is ${JSON.stringify(value)}, and ZITADEL's JSON routes take only printable ASCII in a path; zitadel-user-grants/grpc and /grpc-web take it`,
      );
    }
    remove(fields, json);
    return toSegments(String(fieldPath), value, pattern);
  });
  parts.rejectOtherRoutes?.(binding, segments);
  let target = `/${segments.map(encode).join("/")}${template.verb}`;
  if (binding.body === "*") {
    body = JSON.stringify(json);
  } else {
    if (bodyName) {
      delete json[bodyName];
    }
    const query = parts.toQuery?.(rpc.input, json) ?? [];
    target += query
      .map(([name, value], index) => `${index ? "&" : "?"}${encode(name)}=${encode(value)}`)
      .join("");
  }
  return { binding, verb, target, body };
}

function pathText(fields: readonly DescField[], json: JsonValue): string {
  let value: JsonValue | undefined = json;
  let text = "";
  for (const field of fields) {
    value = isObject(value) ? value[field.jsonName] : undefined;
    text = value === undefined ? "" : toText(field, value);
    // Standard base64 has slashes; grpc-gateway accepts both alphabets.
    if (field.scalar === ScalarType.BYTES) {
      text = text.replaceAll("/", "_").replaceAll("+", "-");
    }
  }
  return text;
}

/** Removes the fields bound by the path from the rest, along with messages that become empty. */
function remove([field, ...inner]: readonly DescField[], json: JsonValue): void {
  if (field !== undefined && isObject(json)) {
    const value = json[field.jsonName] ?? null;
    remove(inner, value);
    if (inner.length === 0 || (isObject(value) && Object.keys(value).length === 0)) {
      delete json[field.jsonName];
    }
  }
}

/**
 * The path segments for a value. Servers unescape the path once, then resolve dots, join empty segments (both
 * by a redirect) and split at slashes, so those cannot be part of a segment in any encoding; everything else
 * is safe once encoded.
 */
function toSegments(name: string, value: string, pattern: readonly string[]): string[] {
  const segments = pattern.join() === "*" ? [value] : value.split("/");
  if (!matchSegments(pattern, segments) || segments.some((each) => /^\.\.?$|\//.test(each))) {
    throw new Error(
      `${name} is ${JSON.stringify(value)}, and the path must have ${pattern.join("/")} there: no segment may be empty, "." or "..", or hold a slash`,
    );
  }
  return segments;
}

/** @throws Error for lone surrogates, which UTF-8 and so a URL cannot hold. */
function encode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    throw new Error(`${JSON.stringify(text)} has a lone surrogate`);
  }
}

/**
 * The query parameters for the JSON of a message: `a.b` for nested fields, a repeated name for the items of a
 * list.
 *
 * @throws Error for values that a query cannot carry: maps, lists of messages, and empty messages without a
 * field whose default could represent them.
 */
export function toQuery(
  message: DescMessage,
  json: JsonObject,
  within = "",
): [name: string, value: string][] {
  return message.fields.flatMap((field): [string, string][] => {
    const value = json[field.jsonName];
    if (value === undefined) {
      return [];
    }
    const name = within + (/^\w+$/.test(field.jsonName) ? field.jsonName : field.name);
    const { fieldKind, message: type } = field;
    if (fieldKind !== "map" && (type === undefined || isText(type))) {
      const items = fieldKind === "list" && Array.isArray(value) ? value : [value];
      return items.map((item) => [name, toText(field, item)]);
    }
    const isEmpty = Object.keys(value as JsonObject).length === 0;
    // An empty message is present if one of its fields is, set to its default value.
    const content = isEmpty && type ? defaultsOf(type) : value;
    const parameters =
      fieldKind === "message" ? toQuery(field.message, content as JsonObject, `${name}.`) : [];
    // JSON that includes all fields contains empty lists and maps.
    if (parameters.length === 0 && (fieldKind === "message" || !isEmpty)) {
      throw new Error(
        `a query cannot carry ${name}: a map, a list of messages or a message without fields`,
      );
    }
    return parameters;
  });
}

function defaultsOf(message: DescMessage): JsonValue {
  return toJson(message, create(message), { alwaysEmitImplicit: true });
}

/** A value that looks like a literal of another route, or like its verb, would reach that route. */
export function rejectOtherRoutes({ template, verb, rpc }: HttpBinding, segments: string[]): void {
  const own = matchSegments(template.segments, segments);
  const path = [...segments.slice(0, -1), segments.at(-1) + template.verb];
  for (const other of template.parts.some(({ fieldPath }) => fieldPath !== undefined)
    ? rpc.parent.methods
    : []) {
    const rivals = other === rpc ? [] : httpBindings(other);
    for (const rival of typeof rivals === "string" ? [] : rivals) {
      const matched = rival.verb === verb && matchTemplate(rival.template, path);
      if (
        matched &&
        (rival.template.verb.length > template.verb.length ||
          matched.some((segment, index) => !isWildcard(segment) && isWildcard(own?.[index])))
      ) {
        throw new Error(`its path would be that of ${other.name}`);
      }
    }
  }
}

/**
 * The parts of a transport for any service. A page that uses only ManagementService does not load them: its
 * messages are in `plain-json.ts`, none of its RPCs has a query, and its two routes have different verbs.
 */
export const anyService: JsonParts = { fromJson, toJson, toQuery, rejectOtherRoutes };
