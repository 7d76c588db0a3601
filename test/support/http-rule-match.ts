import {
  type DescField,
  type DescMessage,
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonReadOptions,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import {
  type HttpBinding,
  httpBindings,
  isObject,
  isWildcard,
  matchTemplate,
  type PathTemplate,
} from "../../src/transports/json/template.js";

/** A binding that a request matches, with the values of its path variables. */
export interface HttpRuleMatch {
  readonly binding: HttpBinding;
  /** Decoded, in the order of the template's variables. */
  readonly values: readonly string[];
}

/**
 * Finds the RPC that a request is for. Returns undefined when no path matches, and `"method-not-allowed"`
 * when the path exists only with another verb.
 *
 * @param path without the query and without the prefix of the service, still encoded. It is decoded
 * once and then split, as grpc-gateway does: an encoded slash separates, too.
 */
export function matchRequest(
  rpcs: Iterable<DescMethod>,
  verb: string,
  path: string,
): HttpRuleMatch | "method-not-allowed" | undefined {
  let segments: string[];
  try {
    segments = decodeURIComponent(path).replace(/^\//, "").split("/");
  } catch {
    return undefined;
  }
  let found: HttpRuleMatch | "method-not-allowed" | undefined;
  let literals = -1;
  for (const rpc of rpcs) {
    const bindings = httpBindings(rpc);
    for (const binding of typeof bindings === "string" ? [] : bindings) {
      const { template } = binding;
      const matched = matchTemplate(template, segments);
      if (matched && binding.verb === verb) {
        const score = literalsOf(template);
        if (score > literals) {
          literals = score;
          found = { binding, values: valuesOf(template, segments) };
        }
      } else if (matched) {
        found ??= "method-not-allowed";
      }
    }
  }
  return found;
}

/** Of the templates that match a path, the one with the most literals wins; a custom verb counts as one. */
function literalsOf({ segments, verb }: PathTemplate): number {
  return segments.filter((segment) => !isWildcard(segment)).length + (verb === "" ? 0 : 1);
}

function valuesOf({ segments, variables, verb }: PathTemplate, path: readonly string[]): string[] {
  const text = path.join("/");
  const parts = text.slice(0, text.length - verb.length).split("/");
  const deep = segments.indexOf("**");
  // Segments after a deep wildcard are shifted by the number of segments that it matched beyond one.
  const at = (index: number) =>
    deep >= 0 && index > deep ? index + parts.length - segments.length : index;
  return variables.map(({ start, end }) => parts.slice(at(start), at(end)).join("/"));
}

/**
 * Reads the request message of a matched request: the body first, then the path, then the query.
 *
 * @param body parsed; undefined if there is no body.
 * @throws Error when a value does not fit the type of its field.
 */
export function readRequest(
  { binding, values }: HttpRuleMatch,
  query: Iterable<readonly [string, string]>,
  body: JsonValue | undefined,
  options?: Partial<JsonReadOptions> | undefined,
): Message {
  const json: JsonObject = {};
  if (body !== undefined && binding.body === "*") {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new Error("the body is not a JSON object");
    }
    Object.assign(json, body);
  } else if (body !== undefined && typeof binding.body === "object") {
    json[binding.body.jsonName] = body;
  }
  for (const [index, path] of binding.pathFields.entries()) {
    putPath(json, path, values[index] ?? "");
  }
  if (binding.body !== "*") {
    fromQuery(
      binding.rpc.input,
      query,
      json,
      (path) =>
        path[0] === binding.body ||
        binding.pathFields.some((bound) => bound.every((field, index) => field === path[index])),
    );
  }
  return fromJson(binding.rpc.input, json, { ignoreUnknownFields: true, ...options });
}

/**
 * Puts query parameters into the JSON of a message: the reverse of `toQuery`. Names are those of the proto
 * file or of JSON; unknown ones are ignored, as grpc-gateway does.
 *
 * @param skips whether a field, by its path in the proto file, is bound elsewhere.
 * @throws Error when a value does not fit the type of its field.
 */
function fromQuery(
  message: DescMessage,
  query: Iterable<readonly [string, string]>,
  json: JsonObject,
  skips: (path: readonly DescField[]) => boolean,
): void {
  for (const [name, text] of query) {
    const path = findPath(message, name.split("."));
    if (path !== undefined && !skips(path)) {
      putPath(json, path, text);
    }
  }
}

function findPath(message: DescMessage, names: readonly string[]): DescField[] | undefined {
  const path: DescField[] = [];
  let within: DescMessage | undefined = message;
  for (const name of names) {
    const field: DescField | undefined =
      within?.fields.find((each) => each.name === name) ??
      within?.fields.find((each) => each.jsonName === name);
    if (field === undefined) {
      return undefined;
    }
    path.push(field);
    within = field.fieldKind === "message" ? field.message : undefined;
  }
  return path;
}

/** Sets a field, given by its path, in the JSON of a message; appends to it if it is a list. */
function putPath(json: JsonObject, path: readonly DescField[], text: string): void {
  let within = json;
  for (const [index, field] of path.entries()) {
    const before = within[field.jsonName] ?? within[field.name];
    delete within[field.name];
    if (index < path.length - 1) {
      const inner: JsonObject = isObject(before) ? before : {};
      within[field.jsonName] = inner;
      within = inner;
    } else {
      const value = fromText(field, text);
      within[field.jsonName] =
        field.fieldKind === "list" ? [...(Array.isArray(before) ? before : []), value] : value;
    }
  }
}

/**
 * The JSON value for a text in a URL: the reverse of what `toText` does.
 *
 * @throws Error when it does not fit the type of the field.
 */
function fromText(field: DescField, text: string): JsonValue {
  switch (field.message?.typeName) {
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
      return JSON.parse(text) as JsonValue;
    case "google.protobuf.FieldMask":
      return text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  }
  if (field.scalar === ScalarType.BOOL || field.message?.typeName === "google.protobuf.BoolValue") {
    // The spellings that grpc-gateway accepts.
    if (/^(1|t|T|TRUE|true|True)$/.test(text)) {
      return true;
    }
    if (/^(0|f|F|FALSE|false|False)$/.test(text)) {
      return false;
    }
    throw new Error(`"${text}" is not a boolean`);
  }
  if (field.enum !== undefined) {
    if (field.enum.typeName === "google.protobuf.NullValue") {
      return null;
    }
    return /^-?\d+$/.test(text) ? Number(text) : text;
  }
  return text;
}
