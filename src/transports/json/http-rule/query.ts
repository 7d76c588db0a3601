import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import type { NameKey } from "./text.js";
import { fromText, isObject, isText, toText } from "./text.js";

/**
 * The query parameters for the JSON of a message: `a.b` for nested fields, a repeated name for the items of a
 * list.
 *
 * @throws Error for values that a query cannot carry: maps, lists of messages, and empty messages without a
 * field whose default could represent them.
 */
export function toQuery(
  message: DescMessage,
  json: JsonObject,
  nameKey: NameKey,
  within = "",
): [name: string, value: string][] {
  return message.fields.flatMap((field): [string, string][] => {
    const value = json[field[nameKey]];
    if (value === undefined) {
      return [];
    }
    const name = within + (/^\w+$/.test(field[nameKey]) ? field[nameKey] : field.name);
    const { fieldKind, message: type } = field;
    if (fieldKind !== "map" && (type === undefined || isText(type))) {
      const items = fieldKind === "list" && Array.isArray(value) ? value : [value];
      return items.map((item) => [name, toText(field, item)]);
    }
    const isEmpty = Object.keys(value as JsonObject).length === 0;
    // An empty message is present if one of its fields is, set to its default value.
    const parameters =
      fieldKind === "message"
        ? toQuery(
            field.message,
            (isEmpty ? defaultsOf(field.message, nameKey) : value) as JsonObject,
            nameKey,
            `${name}.`,
          )
        : [];
    // JSON that includes all fields contains empty lists and maps.
    if (parameters.length === 0 && (fieldKind === "message" || !isEmpty)) {
      throw new Error(
        `a query cannot carry ${name}: a map, a list of messages or a message without fields`,
      );
    }
    return parameters;
  });
}

function defaultsOf(message: DescMessage, nameKey: NameKey): JsonValue {
  return toJson(message, create(message), {
    alwaysEmitImplicit: true,
    useProtoFieldName: nameKey === "name",
  });
}

/**
 * Puts query parameters into the JSON of a message: the reverse of `toQuery`. Names are those of the proto
 * file or of JSON; unknown ones are ignored, as grpc-gateway does.
 *
 * @param skips whether a field, by its path in the proto file, is bound elsewhere.
 * @throws Error when a value does not fit the type of its field.
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

/** Sets a field, given by its path, in the JSON of a message; appends to it if it is a list. */
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
