import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";

/**
 * The text of single values in a URL: as in proto3 JSON, without the quotes.
 *
 * Where grpc-gateway differs from JSON, grpc-gateway's form is used: the paths of a FieldMask keep the names
 * of the proto file.
 */
const textTypes =
  /^google\.protobuf\.(Timestamp|Duration|FieldMask|Struct|(U?Int(32|64)|Double|Float|Bool|String|Bytes)?Value)$/;

/** Which of the two names of a field the JSON uses. */
export type NameKey = "name" | "jsonName";

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

/**
 * The JSON value for a text in a URL: the reverse of `toText`.
 *
 * @throws Error when it does not fit the type of the field.
 */
export function fromText(field: DescField, text: string): JsonValue {
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
