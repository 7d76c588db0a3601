import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { isObject } from "./http-rule/text.js";

/**
 * The field number 1 of ZITADEL's own details; `message` is number 2 of each. Written without their
 * descriptors, which a page that looks at no details has no other use for.
 */
const idFields: Record<string, string> = {
  "zitadel.v1.ErrorDetail": "id",
  "zitadel.error.v2.ErrorDetail": "slug",
};

/**
 * The error that grpc-gateway writes as `{"code", "message", "details"}`: `google.rpc.Status` in JSON.
 * Undefined when JSON is something else.
 */
export function gatewayError(json: JsonValue, headers: Headers): ConnectError | undefined {
  if (!isObject(json)) {
    return undefined;
  }
  const { code, message = "", details } = json;
  if (typeof code !== "number" || !(code in Code) || typeof message !== "string") {
    return undefined;
  }
  const error = new ConnectError(message, code, headers);
  error.isWireError = true;
  error.details = (Array.isArray(details) ? details : []).filter(isObject).map(toDetail);
  return error;
}

/** A detail in the form that `findDetails` reads, with its JSON for people to see. */
function toDetail({ "@type": url, ...debug }: JsonObject): ConnectError["details"][number] {
  const type = String(url).replace(/.*\//, "");
  const idField = idFields[type];
  return {
    type,
    value: idField
      ? [idField, "message"]
          .reduce(
            (writer, name, index) =>
              writer.tag(index + 1, WireType.LengthDelimited).string(String(debug[name] ?? "")),
            new BinaryWriter(),
          )
          .finish()
      : // A tag with field number 0, which no decoder takes: empty bytes would pass for a detail of this
        // type with no field set.
        Uint8Array.of(0),
    debug,
  };
}
