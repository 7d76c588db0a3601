import type { DescMessage } from "@bufbuild/protobuf";
import type { JsonNode, JsonToken } from "./go-json.js";

/**
 * Readers of the JSON form of protobuf messages, with the errors of Go's protojson, which grpc-gateway
 * reads bodies with. https://protobuf.dev/programming-guides/json/
 */
export type Reader<T> = (node: JsonNode, field: string) => T;

type Shape = Readonly<Record<string, Reader<unknown>>>;

export type MessageOf<S extends Shape> = { readonly [K in keyof S]?: ReturnType<S[K]> };

/** JSON that does not fit a message. The message lacks the `proto:` of Go, which depends on the build. */
export class ProtoJsonError extends Error {}

export const string: Reader<string> = (node, field) =>
  node.kind === "scalar" && typeof node.value === "string"
    ? node.value
    : invalidValue("string", field, node);

export const boolean: Reader<boolean> = (node, field) =>
  node.kind === "scalar" && typeof node.value === "boolean"
    ? node.value
    : invalidValue("bool", field, node);

export const uint32 = unsigned("uint32", 2 ** 32 - 1);
// Above 2^53, the value is off by a few.
export const uint64 = unsigned("uint64", 2 ** 64 - 2 ** 11);

/** As a number, or as one in quotes. */
function unsigned(type: string, max: number): Reader<number> {
  return (node, field) => {
    const number = numberOf(node);
    return number !== undefined && number >= 0 && number <= max
      ? number
      : invalidValue(type, field, node);
  };
}

/**
 * A value of an enum by its name or number: undefined for an unknown name, which is ignored, and the number
 * for an unknown number.
 */
export function enumeration<T extends string>(names: readonly T[]): Reader<T | number | undefined> {
  return (node, field) => {
    if (node.kind !== "scalar" || typeof node.value === "boolean" || node.value === null) {
      return invalidValue("enum", field, node);
    }
    if (typeof node.value === "string") {
      return names.find((known) => known === node.value);
    }
    const number = numberOf(node);
    return number !== undefined && Math.abs(number) < 2 ** 31
      ? (names[number] ?? number)
      : invalidValue("enum", field, node);
  };
}

export function list<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (node, field) =>
    node.kind === "array" ? node.items.map((item) => reader(item, field)) : unexpected(node);
}

/**
 * Unknown members and null count as absent, and both spellings of names are accepted.
 *
 * @param oneof the full name of the `oneof` that all members are of, if they are.
 */
export function message<S extends Shape>(shape: S, oneof?: string): Reader<MessageOf<S>> {
  return (node) => {
    if (node.kind !== "object") {
      return unexpected(node);
    }
    const read: Record<string, unknown> = {};
    const seen = new Set<string>();
    for (const { name, key, node: member } of node.members) {
      const jsonName = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      const reader = Object.hasOwn(shape, jsonName) ? shape[jsonName] : undefined;
      if (reader === undefined) {
        continue;
      }
      if (seen.has(jsonName)) {
        failAt(key, `duplicate field ${key.raw}`);
      }
      seen.add(jsonName);
      if (member.kind === "scalar" && member.value === null) {
        continue;
      }
      if (oneof !== undefined && Object.keys(read).length > 0) {
        failAt(key, `error parsing ${key.raw}, oneof ${oneof} is already set`);
      }
      const value = reader(member, jsonName);
      if (value !== undefined) {
        read[jsonName] = value;
      }
    }
    return read as MessageOf<S>;
  };
}

/** The member of a `oneof` that is set, with its fields; undefined if no member is set. */
export function oneof(
  name: string,
  members: Readonly<Record<string, Reader<object>>>,
): Reader<{ kind: string; fields: Readonly<Record<string, unknown>> } | undefined> {
  const readAll = message(members, name);
  return (node, field) => {
    const [set] = Object.entries(readAll(node, field));
    return set && { kind: set[0], fields: set[1] as Readonly<Record<string, unknown>> };
  };
}

/** The reader of a message that has only texts and lists of texts. */
export function textsOf(
  desc: DescMessage,
): Reader<MessageOf<Record<string, Reader<string | readonly string[]>>>> {
  return message(
    Object.fromEntries(
      desc.fields.map(({ jsonName, fieldKind }) => [
        jsonName,
        fieldKind === "list" ? list(string) : string,
      ]),
    ),
  );
}

/** The integer that a number or a text of a number is; undefined for any other value. */
function numberOf(node: JsonNode): number | undefined {
  if (node.kind !== "scalar" || typeof node.value === "boolean" || node.value === null) {
    return undefined;
  }
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(String(node.value));
  const number = Number(node.value);
  return isNumber && Number.isInteger(number) ? number : undefined;
}

function invalidValue(type: string, field: string, node: JsonNode): never {
  return failAt(node, `invalid value for ${type} field ${field}: ${node.raw}`);
}

function unexpected(node: JsonNode): never {
  throw new ProtoJsonError(`syntax error ${placeOf(node)}: unexpected token ${node.raw}`);
}

function failAt(token: JsonToken, text: string): never {
  throw new ProtoJsonError(`${placeOf(token)}: ${text}`);
}

/** Columns are counted in code points. */
function placeOf({ source, at }: JsonToken): string {
  const lines = source.slice(0, at).split("\n");
  return `(line ${lines.length}:${[...(lines.at(-1) ?? "")].length + 1})`;
}
