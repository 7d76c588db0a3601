import {
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
  type JsonObject,
  type JsonValue,
} from "@bufbuild/protobuf";
import { http } from "../../../gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../../gen/google/api/http_pb.js";

/** One HTTP mapping of an RPC, checked against its messages. */
export interface HttpBinding {
  readonly rpc: DescMethod;
  readonly verb: string;
  readonly template: PathTemplate;
  /** For each part of the template that is a variable, its field: from the request's own to the innermost. */
  readonly pathFields: readonly (readonly DescField[] | undefined)[];
  /** The request field that is the body; "*" for everything that the path does not bind. */
  readonly body: DescField | "*" | undefined;
  /** The response field that is the body; undefined for the whole message. */
  readonly responseBody: DescField | undefined;
}

const cache = new WeakMap<DescMethod, readonly HttpBinding[] | string>();

/**
 * The HTTP mappings of an RPC, from its `google.api.http` annotation: the rule itself, then its
 * `additional_bindings`. If the annotation is missing, or does not fit the messages of the RPC, a string with
 * the reason.
 */
export function httpBindings(rpc: DescMethod): readonly HttpBinding[] | string {
  let bindings = cache.get(rpc);
  if (bindings === undefined) {
    // Read by field number, so that it does not matter from which copy of annotations.proto the RPC was
    // generated.
    const rule = getOption(rpc, http);
    try {
      bindings = rule.pattern.case
        ? [rule, ...rule.additionalBindings].map((each) => toBinding(rpc, each))
        : "has no google.api.http annotation";
    } catch (error) {
      bindings = `has a google.api.http annotation where ${(error as Error).message}`;
    }
    cache.set(rpc, bindings);
  }
  return bindings;
}

/**
 * Where a service's routes begin: ZITADEL serves its v1 services under `/management/v1`, `/admin/v1`,
 * `/auth/v1` and `/system/v1`, others at the root.
 *
 * @param overrides prefixes by protobuf package.
 */
export function pathPrefix(
  service: DescService,
  overrides?: Readonly<Record<string, string>> | undefined,
): string {
  const name = service.file.proto.package;
  const v1 = /^zitadel\.(management|admin|auth|system)\.v1$/.exec(name);
  return overrides?.[name] ?? (v1 ? `/${v1[1]}/v1` : "");
}

function toBinding(rpc: DescMethod, rule: HttpRule): HttpBinding {
  const { pattern, body, responseBody } = rule;
  const [verb, path] =
    pattern.case === "custom"
      ? [pattern.value.kind, pattern.value.path]
      : [pattern.case?.toUpperCase() ?? "", pattern.value ?? ""];
  if (body && verb === "GET") {
    throw new Error("GET has a body");
  }
  const template = parseTemplate(path);
  return {
    rpc,
    verb,
    template,
    pathFields: template.parts.map(({ fieldPath }) =>
      fieldPath === undefined ? undefined : resolvePath(rpc.input, fieldPath),
    ),
    body: body === "*" ? body : body ? resolveField(rpc.input, body) : undefined,
    responseBody: responseBody ? resolveField(rpc.output, responseBody) : undefined,
  };
}

function resolvePath(message: DescMessage, path: string): DescField[] {
  let within: DescMessage | undefined = message;
  const fields = path.split(".").map((name) => {
    const field = resolveField(within, name);
    within = field.message;
    return field;
  });
  if (
    fields.some(({ fieldKind }) => /list|map/.test(fieldKind)) ||
    (within !== undefined && !isText(within))
  ) {
    throw new Error(`"${path}" is part of the path and not a single value`);
  }
  return fields;
}

function resolveField(message: DescMessage | undefined, name: string): DescField {
  const field = message?.fields.find((each) => each.name === name);
  if (field === undefined) {
    throw new Error(`"${name}" is not a field of ${message ?? "a scalar"}`);
  }
  return field;
}

/**
 * A path template of `google.api.http`.
 *
 * Template = "/" Segments [ Verb ]; Segments = Segment { "/" Segment }; Segment = "*" | "**" | LITERAL
 * | "{" FieldPath [ "=" Segments ] "}"; Verb = ":" LITERAL (google/api/http.proto).
 */
export interface PathTemplate {
  readonly parts: readonly PathPart[];
  /** The segments of all parts. */
  readonly segments: readonly string[];
  /** The custom verb with its colon; empty for none. */
  readonly verb: string;
}

/** A segment, or a variable. */
export interface PathPart {
  /** Literals, `*` (one segment) and `**` (one or more), of which a template has at most one. */
  readonly segments: readonly string[];
  /** The request field of a variable, nested ones with dots, by the names of the proto file. */
  readonly fieldPath: string | undefined;
}

/**
 * Reads a template.
 *
 * @throws Error when it is malformed.
 */
export function parseTemplate(template: string): PathTemplate {
  // After a variable, only the verb can follow; a literal may itself contain colons.
  const [, afterVariable, afterLiteral = ""] = /\}(:[^/]*)$|(:[^/:}]*)$/.exec(template) ?? [];
  const verb = afterVariable ?? afterLiteral;
  const parts: PathPart[] = [];
  const rest = template.slice(0, template.length - verb.length).replace(
    // A variable with its pattern, or a segment without braces.
    /\/(?:\{([\w.]+)(?:=([^{}]+))?\}|([^/{}]+))/gy,
    (_, fieldPath: string | undefined, pattern = "*", literal = pattern) => {
      parts.push({ segments: literal.split("/"), fieldPath });
      return "";
    },
  );
  const segments = parts.flatMap((part) => part.segments);
  if (
    rest ||
    verb === ":" ||
    !segments[0] ||
    segments.includes("") ||
    segments.indexOf("**") !== segments.lastIndexOf("**")
  ) {
    throw new Error(`the path template "${template}" is malformed`);
  }
  return { parts, segments, verb };
}

export function isWildcard(segment: string | undefined): boolean {
  return segment === "*" || segment === "**";
}

/**
 * Compares path segments, decoded, with those of a template. Returns for each of them the segment of
 * the template that it matches, or undefined when they do not match.
 */
export function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): string[] | undefined {
  const extra = segments.length - pattern.length;
  const matched = pattern.flatMap((each) =>
    each === "**" && extra > 0 ? new Array<string>(extra + 1).fill(each) : each,
  );
  return matched.length === segments.length &&
    segments.every((each, index) => each && (isWildcard(matched[index]) || matched[index] === each))
    ? matched
    : undefined;
}

/** The same with the template's verb, which is at the end of the last segment. */
export function matchTemplate(
  { segments, verb }: PathTemplate,
  path: readonly string[],
): string[] | undefined {
  const last = path.at(-1) ?? "";
  return last.endsWith(verb)
    ? matchSegments(segments, [...path.slice(0, -1), last.slice(0, last.length - verb.length)])
    : undefined;
}

/**
 * The text of single values in a URL: as in proto3 JSON, without the quotes.
 *
 * Where grpc-gateway differs from JSON, grpc-gateway's form is used: the paths of a FieldMask keep the names
 * of the proto file.
 */
const textTypes =
  /^google\.protobuf\.(Timestamp|Duration|FieldMask|Struct|(U?Int(32|64)|Double|Float|Bool|String|Bytes)?Value)$/;

/** Whether a message has a form that is one piece of text. */
export function isText(message: DescMessage): boolean {
  return textTypes.test(message.typeName);
}

/** The text for a JSON value of a field (of one of its items, for a list). */
export function toText(field: DescField, value: JsonValue): string {
  switch (field.message?.typeName) {
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
      return JSON.stringify(value);
    case "google.protobuf.FieldMask":
      return String(value).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
  // The JSON of the enum google.protobuf.NullValue, which has this one value.
  return value === null ? "NULL_VALUE" : String(value);
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
