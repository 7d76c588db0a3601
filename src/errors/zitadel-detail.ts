import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
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
  return (idField &&
    [idField, "message"]
      .reduce(
        (writer, name, index) =>
          writer.tag(index + 1, WireType.LengthDelimited).string(String(json[name] ?? "")),
        new BinaryWriter(),
      )
      .finish()) as Uint8Array | undefined;
}
