import { Code } from "@connectrpc/connect";
import { RpcError } from "../errors.js";
import { tooLong } from "../length.js";
import type { TextMethod } from "./text.js";

/** One criterion of a search: the member of the `oneof` that is set, and its fields. */
export interface Query {
  /** The name of the member, `emailQuery`. */
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A query that compares a text. */
export interface TextQuery {
  readonly text: string;
  readonly method: TextMethod | undefined;
}

/** The text of a query, which is in the one field that is not the method. */
export function textOf({ fields }: Query): TextQuery {
  const { method, ...rest } = fields;
  const [text = ""] = Object.values(rest);
  return { text: String(text), method: method as TextMethod | undefined };
}

/**
 * Checks queries by the rules of their definition.
 *
 * @param list the field that holds them, `ListUserGrantRequest.Queries`.
 * @param oneof the message that each of them is, `UserGrantQuery`.
 * @throws RpcError `InvalidArgument` in the words of protoc-gen-validate.
 */
export function checkQueries(
  queries: readonly (Query | undefined)[],
  list: string,
  oneof: string,
  messageOf: (kind: string) => string,
): void {
  for (const [index, query] of queries.entries()) {
    const problem = problemOf(query, oneof, messageOf);
    if (problem !== undefined) {
      throw new RpcError(Code.InvalidArgument, `invalid ${list}[${index}]: ${embedded}${problem}`);
    }
  }
}

function problemOf(
  query: Query | undefined,
  oneof: string,
  messageOf: (kind: string) => string,
): string | undefined {
  if (query === undefined) {
    return `invalid ${oneof}.Query: value is required`;
  }
  const member = `invalid ${oneof}.${pascal(query.kind)}: ${embedded}`;
  const message = messageOf(query.kind);
  for (const [name, value] of Object.entries(query.fields)) {
    const problem = problemOfValue(message, name, value);
    if (problem !== undefined) {
      return `${member}invalid ${message}.${pascal(name)}: ${problem}`;
    }
  }
  for (const [index, nested] of nestedOf(query).entries()) {
    const problem = problemOf(nested, oneof, messageOf);
    if (problem !== undefined) {
      const field = query.kind === "notQuery" ? "Query" : `Queries[${index}]`;
      return `${member}invalid ${message}.${field}: ${embedded}${problem}`;
    }
  }
  return undefined;
}

const embedded = "embedded message failed validation | caused by: ";

/** The queries inside of `orQuery{queries}`, `andQuery{queries}` and `notQuery{query}`. */
export function nestedOf({ kind, fields }: Query): readonly (Query | undefined)[] {
  switch (kind) {
    case "orQuery":
    case "andQuery":
      return (fields.queries as (Query | undefined)[] | undefined) ?? [];
    case "notQuery":
      return "query" in fields ? [fields.query as Query | undefined] : [];
    default:
      return [];
  }
}

/** All texts and enums have the same rules, with two exceptions. */
function problemOfValue(message: string, name: string, value: unknown): string | undefined {
  if (typeof value === "number") {
    // Known numbers of enums have been replaced by their names.
    return message === "UserGrantUserTypeQuery"
      ? undefined
      : "value must be one of the defined enum values";
  }
  return typeof value === "string" && name !== "method" && message !== "UserGrantDisplayNameQuery"
    ? tooLong(value)
    : undefined;
}

/** The name that Go gives to a field. */
function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
