import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { NameKey } from "./text.js";
import { fromText, implicitText, isText, toText } from "./text.js";

/**
 * The query parameters for the JSON of a message: `a.b` for nested fields, the same name again for each
 * item of a list.
 *
 * @throws Error for what a query cannot carry: maps, lists of messages, empty messages without a field
 * whose default can stand for them.
 */
export function toQuery(
  message: DescMessage,
  json: JsonObject,
  nameKey: NameKey,
  within = "",
): [name: string, value: string][] {
  return message.fields.flatMap((field): [string, string][] => {
    const value = json[field[nameKey]];
    if (value === undefined || (field.fieldKind !== "message" && isEmpty(value))) {
      return [];
    }
    const name = within + (/^\w+$/.test(field[nameKey]) ? field[nameKey] : field.name);
    const nested =
      field.message !== undefined && !isText(field.message) ? field.message : undefined;
    if (field.fieldKind === "map" || (field.fieldKind === "list" && nested) || isAny(nested)) {
      throw new Error(`${name} is a ${kindOf(field)}, which a query cannot carry`);
    }
    if (Array.isArray(value) && field.fieldKind === "list") {
      return value.map((item) => [name, toText(field, item)]);
    }
    if (nested === undefined) {
      return [[name, toText(field, value)]];
    }
    const parameters = toQuery(nested, value as JsonObject, nameKey, `${name}.`);
    return parameters.length > 0 ? parameters : [presence(nested, name)];
  });
}

/** An empty list or map, which JSON has in it only when asked to write such fields. */
function isEmpty(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** The parameter that says of an empty message that it is there. */
function presence(message: DescMessage, name: string): [string, string] {
  for (const field of message.fields) {
    const text = implicitText(field);
    if (text !== undefined) {
      return [`${name}.${field.name}`, text];
    }
  }
  throw new Error(`${name} is an empty message, which a query cannot carry`);
}

/** Messages whose JSON is not that of their fields, and is no single text either. */
function isAny(message: DescMessage | undefined): boolean {
  return /^google\.protobuf\.(Any|ListValue)$/.test(message?.typeName ?? "");
}

function kindOf(field: DescField): string {
  return field.fieldKind === "list" ? "list of messages" : (field.message?.typeName ?? "map");
}

/**
 * Puts query parameters into the JSON of a message: the reverse of `toQuery`. Names are those of the
 * proto file or of JSON; unknown ones are passed over, as grpc-gateway does.
 *
 * @param skips whether a field, by its path in the proto file, is bound elsewhere.
 * @throws Error when a value cannot be read as what its field holds.
 */
export function fromQuery(
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

/** Sets a field, given by its path, in the JSON of a message; adds to it when it is a list. */
export function putPath(json: JsonObject, path: readonly DescField[], text: string): void {
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

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
