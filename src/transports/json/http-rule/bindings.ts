import type { DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { getOption } from "@bufbuild/protobuf";
import { http } from "../../../../gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../../../gen/google/api/http_pb.js";
import type { PathTemplate } from "./template.js";
import { parseTemplate } from "./template.js";
import { isText } from "./text.js";

/** One HTTP mapping of an RPC, checked against its messages. */
export interface HttpBinding {
  readonly rpc: DescMethod;
  readonly verb: string;
  readonly template: PathTemplate;
  /** For each variable of the template, the field it binds: from the request's own to the innermost. */
  readonly pathFields: readonly (readonly DescField[])[];
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
    pathFields: template.variables.map(({ fieldPath }) => resolvePath(rpc.input, fieldPath)),
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
