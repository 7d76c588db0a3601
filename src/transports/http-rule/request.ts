import type {
  DescField,
  DescMethod,
  JsonObject,
  JsonWriteOptions,
  Message,
} from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpBinding } from "../http-rule.js";
import { httpBindings } from "../http-rule.js";
import { toQuery } from "./query.js";
import { matchSegments, withoutVerb } from "./template.js";
import type { NameKey } from "./text.js";
import { implicitText, isBytes, toText } from "./text.js";

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
  const bindings = carriedBindings(rpc);
  let failure: unknown;
  for (const binding of bindings) {
    try {
      // Anew for each binding, which takes out of it what it puts elsewhere.
      const json = toJson(rpc.input, message, jsonOptions) as JsonObject;
      return bind(binding, json, jsonOptions?.useProtoFieldName ? "name" : "jsonName");
    } catch (error) {
      failure ??= error;
    }
  }
  throw new ConnectError(
    `${rpc.name} was not sent: ${failure instanceof Error ? failure.message : failure}`,
    Code.InvalidArgument,
  );
}

function carriedBindings(rpc: DescMethod): readonly HttpBinding[] {
  let bindings: readonly HttpBinding[];
  try {
    bindings = httpBindings(rpc);
  } catch (error) {
    throw uncarried(rpc, error instanceof Error ? error.message : String(error));
  }
  if (bindings.length === 0) {
    throw uncarried(rpc, "it has no google.api.http annotation");
  }
  return bindings;
}

/** The error for an RPC that cannot go over HTTP and JSON. */
export function uncarried(rpc: DescMethod, why: string): ConnectError {
  return new ConnectError(
    `HTTP/JSON cannot carry ${rpc.parent.typeName}.${rpc.name}: ${why}. Use gRPC or gRPC-web for it`,
    Code.Unimplemented,
  );
}

function bind(binding: HttpBinding, json: JsonObject, nameKey: NameKey): HttpRuleRequest {
  const { template, verb, body } = binding;
  const segments = [...template.segments];
  const path = [...template.segments];
  // From the end, so that the positions of the variables before stay true.
  for (const [index, { start, end, fieldPath }] of [...template.variables.entries()].reverse()) {
    const fields = binding.pathFields[index] ?? [];
    const value = takePath(fields, json, nameKey, typeof body === "object" ? body : undefined);
    const parts = toSegments(fieldPath, value, template.segments.slice(start, end));
    segments.splice(start, end - start, ...parts);
    path.splice(start, end - start, ...parts.map(encode));
  }
  refuseOtherRoutes(binding, segments);
  const target = `/${path.join("/")}${template.verb && `:${template.verb}`}`;
  if (body === "*") {
    return { binding, verb, target, body: JSON.stringify(json) };
  }
  let content: string | undefined;
  if (body !== undefined) {
    content = JSON.stringify(json[body[nameKey]]);
    delete json[body[nameKey]];
  }
  const query = toQuery(binding.rpc.input, json, nameKey)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
  return { binding, verb, target: query === "" ? target : `${target}?${query}`, body: content };
}

/** Reads the text of a path variable, and takes it out of what goes elsewhere. */
function takePath(
  [field, ...inner]: readonly DescField[],
  json: JsonObject,
  nameKey: NameKey,
  body: DescField | undefined,
): string | undefined {
  if (field === undefined) {
    return undefined;
  }
  const name = field[nameKey];
  const value = json[name];
  if (inner.length === 0) {
    if (field !== body) {
      delete json[name];
    }
    if (value === undefined) {
      return implicitText(field);
    }
    const text = toText(field, value);
    // Standard base64 has slashes; grpc-gateway takes both alphabets.
    return isBytes(field) ? text.replaceAll("/", "_").replaceAll("+", "-") : text;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return undefined;
  }
  // A field that is the body goes there whole, as clients of such APIs send it.
  const from = field === body ? structuredClone(value) : value;
  const text = takePath(inner, from, nameKey, undefined);
  if (from === value && Object.keys(value).length === 0) {
    delete json[name];
  }
  return text;
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
  const segments = pattern.length === 1 && pattern[0] === "*" ? [value] : value.split("/");
  const shown = JSON.stringify(value.slice(0, 100));
  if (matchSegments(pattern, segments) === undefined) {
    throw new Error(
      `${name} does not match ${pattern.join("/")}, the pattern of the path: ${shown}`,
    );
  }
  if (segments.some((each) => each === "." || each === ".." || each.includes("/"))) {
    throw new Error(`${name} would lead to another route (a slash, "." or ".."): ${shown}`);
  }
  return segments;
}

/** What reads as a literal of another route, or as its verb, reaches that other route. */
function refuseOtherRoutes(binding: HttpBinding, segments: readonly string[]): void {
  const { template, verb, rpc } = binding;
  if (template.variables.length === 0) {
    return;
  }
  const own = matchSegments(template.segments, segments) ?? [];
  const path = [...segments];
  if (template.verb !== "") {
    path.push(`${path.pop()}:${template.verb}`);
  }
  for (const other of rpc.parent.methods) {
    for (const rival of other === rpc ? [] : bindingsOrNone(other)) {
      const rest = rival.verb === verb && withoutVerb(rival.template.verb, path);
      const starts = rest && matchSegments(rival.template.segments, rest);
      if (
        starts &&
        (rival.template.verb.length > template.verb.length ||
          rival.template.segments.some((segment, index) => {
            const at = own.indexOf(starts[index] ?? 0);
            return !segment.startsWith("*") && template.segments[at] !== segment;
          }))
      ) {
        throw new Error(`its path would be that of ${other.name}: /${path.join("/")}`);
      }
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
    throw new Error(`${JSON.stringify(text.slice(0, 100))} holds a lone surrogate`);
  }
}
