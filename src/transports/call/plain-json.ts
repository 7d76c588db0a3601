import type {
  DescField,
  DescMessage,
  JsonReadOptions,
  JsonValue,
  JsonWriteOptions,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, protoInt64, ScalarType } from "@bufbuild/protobuf";
import { getTextEncoding } from "@bufbuild/protobuf/wire";

// JSON of the messages of ManagementService, identical to that of protobuf-es: requests consist of strings
// and lists of strings; responses of strings, unsigned integers, timestamps and messages of those. A page
// that uses only this service does not load the rest of protobuf-es's JSON, which would be a quarter of its
// size.

/** @throws Error when a field has the wrong type. */
export function toJson(
  desc: DescMessage,
  message: MessageShape<DescMessage>,
  { alwaysEmitImplicit, useProtoFieldName }: Partial<JsonWriteOptions> = {},
): Record<string, JsonValue> {
  if (message.$typeName !== desc.typeName) {
    throw new Error(`cannot write ${message.$typeName} as ${desc}`);
  }
  const json: Record<string, JsonValue> = {};
  for (const field of desc.fields) {
    const value = (message as unknown as Record<string, unknown>)[field.localName];
    const checked =
      field.fieldKind === "list" ? checkStrings(field, value) : checkString(field, value);
    if (alwaysEmitImplicit || checked.length > 0) {
      json[useProtoFieldName ? field.name : field.jsonName] = checked;
    }
  }
  return json;
}

/** @throws Error for JSON that is not such a message. */
export function fromJson<D extends DescMessage>(
  desc: D,
  json: JsonValue,
  options: Partial<JsonReadOptions> = {},
): MessageShape<D> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid(desc, json);
  }
  const init: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    if (field === undefined) {
      if (!options.ignoreUnknownFields) {
        throw new Error(`${desc} has no field ${JSON.stringify(key)}`);
      }
    } else if (field.localName in init) {
      throw new Error(`${field} is there twice`);
    } else {
      init[field.localName] = value === null ? undefined : readField(field, value, options);
    }
  }
  return create<DescMessage>(desc, init) as MessageShape<D>;
}

function readField(field: DescField, json: JsonValue, options: Partial<JsonReadOptions>): unknown {
  if (field.message) {
    return field.message.typeName === "google.protobuf.Timestamp"
      ? readTimestamp(field.message, json)
      : fromJson(field.message, json, options);
  }
  if (field.scalar !== ScalarType.UINT64) {
    const text = checkString(field, json);
    if (!getTextEncoding().checkUtf8(text)) {
      throw invalid(field, json);
    }
    return text;
  }
  if (typeof json !== "number" && (typeof json !== "string" || json === "")) {
    throw invalid(field, json);
  }
  return protoInt64.uParse(json);
}

function checkStrings(field: DescField, value: unknown): string[] {
  if (!Array.isArray(value)) {
    throw invalid(field, value);
  }
  return value.map((item) => checkString(field, item));
}

function checkString(field: DescField, value: unknown): string {
  if (typeof value !== "string") {
    throw invalid(field, value);
  }
  return value;
}

/** RFC 3339, with a fraction of up to nine digits, and years from 1 to 9999. */
function readTimestamp(desc: DescMessage, json: JsonValue): MessageShape<DescMessage> {
  const [, time = "", fraction = "", zone = ""] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(
      typeof json === "string" ? json : "",
    ) ?? [];
  const seconds = Date.parse(time + zone) / 1000;
  if (!(seconds >= -62_135_596_800 && seconds <= 253_402_300_799)) {
    throw invalid(desc, json);
  }
  const init: Record<string, unknown> = {
    seconds: protoInt64.parse(seconds),
    nanos: Number(fraction.padEnd(9, "0")),
  };
  return create(desc, init);
}

function invalid(what: DescField | DescMessage, value: unknown): Error {
  return new Error(`${what} cannot be ${JSON.stringify(value)}`);
}
