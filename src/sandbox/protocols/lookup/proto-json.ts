import type { JsonValue } from "@bufbuild/protobuf";

/**
 * Readers of the JSON form of protobuf messages, for the few that the sandbox accepts and for which this
 * package has no generated code. https://protobuf.dev/programming-guides/json/
 */
export type Reader<T> = (value: JsonValue, field: string) => T;

type Shape = Readonly<Record<string, Reader<unknown>>>;

export type MessageOf<S extends Shape> = { readonly [K in keyof S]?: ReturnType<S[K]> };

export const string: Reader<string> = (value, field) =>
  typeof value === "string" ? value : fail("string", field, value);

export const boolean: Reader<boolean> = (value, field) =>
  typeof value === "boolean" ? value : fail("bool", field, value);

/** 32 and 64 bits, as a number or in quotes. */
export const unsigned: Reader<number> = (value, field) => {
  const number = typeof value === "string" && value.trim() === value ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && value !== ""
    ? number
    : fail("uint64", field, value);
};

/** A value of an enum by its name or number. */
export function enumeration<T extends string>(names: readonly T[]): Reader<T> {
  return (value, field) => {
    const name = typeof value === "number" ? names[value] : names.find((known) => known === value);
    return name ?? fail("enum", field, value);
  };
}

export function list<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, field) =>
    Array.isArray(value)
      ? value.map((item) => reader(item, field))
      : fail("repeated", field, value);
}

/** Unknown members and null count as absent, and both spellings of names are accepted. */
export function message<S extends Shape>(shape: S): Reader<MessageOf<S>> {
  return (value, field) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return fail("message", field, value);
    }
    const read: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(value)) {
      const jsonName = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      const reader = Object.hasOwn(shape, jsonName) ? shape[jsonName] : undefined;
      if (reader !== undefined && member !== null) {
        read[jsonName] = reader(member, jsonName);
      }
    }
    return read as MessageOf<S>;
  };
}

/** The member of a `oneof` that is set, with its fields; undefined if no member is set. */
export function oneof(
  members: Readonly<Record<string, Reader<object>>>,
): Reader<{ kind: string; fields: Readonly<Record<string, unknown>> } | undefined> {
  const readAll = message(members);
  return (value, field) => {
    const [set, more] = Object.entries(readAll(value, field));
    if (more !== undefined) {
      throw new Error(`proto: error parsing "${more[0]}", oneof is already set`);
    }
    return set && { kind: set[0], fields: set[1] as Readonly<Record<string, unknown>> };
  };
}

function fail(type: string, field: string, value: JsonValue): never {
  throw new Error(`proto: invalid value for ${type} field ${field}: ${JSON.stringify(value)}`);
}
