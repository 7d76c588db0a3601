import type {
  DescMethod,
  JsonObject,
  JsonReadOptions,
  JsonValue,
  Message,
} from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { HttpBinding } from "./bindings.js";
import { httpBindings } from "./bindings.js";
import { fromQuery, putPath } from "./query.js";
import type { PathTemplate } from "./template.js";
import { isWildcard, matchTemplate } from "./template.js";

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
