import type {
  DescField,
  DescMethod,
  JsonObject,
  JsonValue,
  JsonWriteOptions,
  Message,
} from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpBinding } from "../http-rule.js";
import { httpBindings } from "../http-rule.js";
import { toQuery } from "./query.js";
import { isWildcard, matchSegments, matchTemplate } from "./template.js";
import type { NameKey } from "./text.js";
import { isBytes, isObject, toText } from "./text.js";

/** An RPC as an HTTP request. */
export interface HttpRuleRequest {
  readonly binding: HttpBinding;
  readonly verb: string;
  /** Path and query, encoded, without what the service's routes begin with. */
  readonly target: string;
  /** The JSON of the body; undefined for none. */
  readonly body: string | undefined;
}

/**
 * Builds the HTTP request for an RPC, by the first of its bindings that the message fits.
 *
 * @throws ConnectError `Unimplemented` when the RPC has no usable annotation; `InvalidArgument` when
 * the message fits none of its bindings: a path variable that is empty, does not match its pattern or
 * would lead to another route, or a field that a query cannot carry.
 */
export function buildRequest(
  rpc: DescMethod,
  message: Message,
  jsonOptions?: Partial<JsonWriteOptions> | undefined,
): HttpRuleRequest {
  let failure: unknown;
  for (const binding of carriedBindings(rpc)) {
    try {
      return bind(binding, message, jsonOptions);
    } catch (error) {
      failure ??= error;
    }
  }
  throw new ConnectError(`${rpc.name} was not sent: ${messageOf(failure)}`, Code.InvalidArgument);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function carriedBindings(rpc: DescMethod): readonly HttpBinding[] {
  let why = "has no google.api.http annotation";
  try {
    const bindings = httpBindings(rpc);
    if (bindings.length > 0) {
      return bindings;
    }
  } catch (error) {
    why = `has an annotation google.api.http where ${messageOf(error)}`;
  }
  throw uncarried(rpc, why);
}

/** The error for an RPC that cannot go over HTTP and JSON. */
export function uncarried(rpc: DescMethod, why: string): ConnectError {
  return new ConnectError(
    `HTTP/JSON cannot carry ${rpc.parent.typeName}.${rpc.name}: it ${why}. Use gRPC or gRPC-web for it`,
    Code.Unimplemented,
  );
}

function bind(
  binding: HttpBinding,
  message: Message,
  jsonOptions: Partial<JsonWriteOptions> | undefined,
): HttpRuleRequest {
  const { template, verb, rpc } = binding;
  const nameKey = jsonOptions?.useProtoFieldName ? "name" : "jsonName";
  const json = toJson(rpc.input, message, jsonOptions) as JsonObject;
  // A field that is the body goes there whole, with what the path binds of it.
  const bodyName = typeof binding.body === "object" && binding.body[nameKey];
  let body = bodyName ? JSON.stringify(json[bodyName]) : undefined;
  // A path has defaults, too.
  const full = template.variables.length
    ? toJson(rpc.input, message, { ...jsonOptions, alwaysEmitImplicit: true })
    : json;
  const segments = [...template.segments];
  const encoded = [...segments];
  // From the end, so that the positions of the variables before stay true.
  template.variables.toReversed().forEach(({ start, end, fieldPath }, index) => {
    const fields = binding.pathFields.at(-1 - index) ?? [];
    const value = pathText(fields, full, nameKey);
    const parts = toSegments(fieldPath, value, template.segments.slice(start, end));
    segments.splice(start, end - start, ...parts);
    encoded.splice(start, end - start, ...parts.map(encode));
    remove(fields, json, nameKey);
  });
  refuseOtherRoutes(binding, segments);
  let target = `/${encoded.join("/")}${template.verb}`;
  if (binding.body === "*") {
    body = JSON.stringify(json);
  } else {
    if (bodyName) {
      delete json[bodyName];
    }
    const query = toQuery(rpc.input, json, nameKey);
    target += query
      .map(([name, value], index) => `${index ? "&" : "?"}${encode(name)}=${encode(value)}`)
      .join("");
  }
  return { binding, verb, target, body };
}

function pathText(
  fields: readonly DescField[],
  json: JsonValue,
  nameKey: NameKey,
): string | undefined {
  const leaf = fields.at(-1);
  let value: JsonValue | undefined = json;
  for (const field of fields) {
    value = isObject(value) ? value[field[nameKey]] : undefined;
  }
  if (leaf === undefined || value === undefined) {
    return undefined;
  }
  const text = toText(leaf, value);
  // Standard base64 has slashes; grpc-gateway takes both alphabets.
  return isBytes(leaf) ? text.replaceAll("/", "_").replaceAll("+", "-") : text;
}

/** Takes what the path binds out of what goes elsewhere. */
function remove([field, ...inner]: readonly DescField[], json: JsonObject, nameKey: NameKey): void {
  const name = field?.[nameKey] ?? "";
  const value = json[name];
  if (inner.length > 0 && isObject(value)) {
    remove(inner, value, nameKey);
    if (Object.keys(value).length > 0) {
      return;
    }
  }
  delete json[name];
}

/**
 * The path segments for a value. Servers unescape the path once, then resolve dots, join empty segments
 * (both by a redirect) and split at slashes, so those cannot be part of a segment in any encoding; all
 * else is safe once encoded.
 */
function toSegments(name: string, value: string | undefined, pattern: string[]): string[] {
  if (!value) {
    throw new Error(`${name} is empty, and it is part of the path`);
  }
  const segments = pattern.join() === "*" ? [value] : value.split("/");
  if (!matchSegments(pattern, segments) || segments.some((each) => /^\.\.?$|\//.test(each))) {
    throw new Error(
      `${name} cannot be ${JSON.stringify(value.slice(0, 100))} in the path, where it is ${pattern.join("/")} without "." and ".."`,
    );
  }
  return segments;
}

/** What reads as a literal of another route, or as its verb, reaches that other route. */
function refuseOtherRoutes({ template, verb, rpc }: HttpBinding, segments: string[]): void {
  const own = matchSegments(template.segments, segments);
  const path = [...segments.slice(0, -1), segments.at(-1) + template.verb];
  for (const other of template.variables.length > 0 ? rpc.parent.methods : []) {
    if (
      other !== rpc &&
      bindingsOrNone(other).some(
        (rival) =>
          rival.verb === verb &&
          matchTemplate(rival.template, path)?.some(
            (segment, index) =>
              rival.template.verb.length > template.verb.length ||
              (!isWildcard(segment) && isWildcard(own?.[index])),
          ),
      )
    ) {
      throw new Error(`its path would be that of ${other.name}: /${path.join("/")}`);
    }
  }
}

function bindingsOrNone(rpc: DescMethod): readonly HttpBinding[] {
  try {
    return httpBindings(rpc);
  } catch {
    return [];
  }
}

/** @throws Error for lone surrogates, which UTF-8 and so a URL cannot hold. */
function encode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    throw new Error(
      `a URL cannot hold the lone surrogate in ${JSON.stringify(text.slice(0, 100))}`,
    );
  }
}
