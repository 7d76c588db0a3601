import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";

type Detail = ConnectError["details"][number];

/**
 * ZITADEL's own details of errors, with the name of their first field; the second of each is `message`.
 * Both are strings. They are read without their descriptors, for which a page would need most
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

/** Undefined for a detail of another type; empty for one that does not decode. */
function readDetail(type: string, detail: Detail): ZitadelDetail | undefined {
  if (type !== ("desc" in detail ? detail.desc.typeName : detail.type)) {
    return undefined;
  }
  if ("desc" in detail) {
    return readFields(type, detail.value);
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
    // Over JSON, there are no bytes.
    return readFields(type, detail.debug);
  }
  const [, id = "", message = ""] = fields;
  return { id, message };
}

function readFields(type: string, value: unknown): ZitadelDetail {
  const { [idFields[type] ?? ""]: id = "", message = "" } = { ...(value as object | undefined) };
  return { id: String(id), message: String(message) };
}
