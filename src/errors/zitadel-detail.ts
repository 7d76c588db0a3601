import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";

type Detail = ConnectError["details"][number];

/**
 * ZITADEL's own details of errors, with the name of their first field; the second of each is `message`.
 * Both are strings. They are read and written without their descriptors, for which a page would need most
 * of protobuf-es.
 */
const idFields: Readonly<Record<string, string>> = {
  "zitadel.v1.ErrorDetail": "id",
  "zitadel.error.v2.ErrorDetail": "slug",
};

export interface ZitadelDetail {
  readonly id: string;
  readonly message: string;
}

/** The first detail that has an id; one of `zitadel.v1` before one of `zitadel.error.v2`. */
export function findZitadelDetail(details: readonly Detail[]): ZitadelDetail | undefined {
  return Object.keys(idFields)
    .flatMap((type) => details.map((detail) => readDetail(type, detail)))
    .find((detail) => detail?.id);
}

/** Undefined for a detail of another type, and for one that does not decode. */
function readDetail(type: string, detail: Detail): ZitadelDetail | undefined {
  if ("desc" in detail) {
    const value = detail.value as Readonly<Record<string, unknown>>;
    return detail.desc.typeName === type
      ? { id: String(value[idFields[type] ?? ""] ?? ""), message: String(value.message ?? "") }
      : undefined;
  }
  if (detail.type !== type) {
    return undefined;
  }
  const fields = ["", "", ""];
  try {
    const reader = new BinaryReader(detail.value);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 || field === 2) {
        fields[field] = reader.string(true);
      } else {
        reader.skip(wireType, field);
      }
    }
  } catch {
    return undefined;
  }
  const [, id = "", message = ""] = fields;
  return { id, message };
}

/** The bytes of a detail received as JSON; undefined for a detail of another type. */
export function writeZitadelDetail(
  type: string,
  json: Readonly<Record<string, unknown>>,
): Uint8Array | undefined {
  const idField = idFields[type];
  if (idField === undefined) {
    return undefined;
  }
  // Without `BinaryWriter`, which a page that speaks JSON does not need otherwise.
  const parts = [idField, "message"].flatMap((name, index) => {
    const text = new TextEncoder().encode(String(json[name] ?? ""));
    return [[((index + 1) << 3) | WireType.LengthDelimited, ...varint(text.length)], text];
  });
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}
