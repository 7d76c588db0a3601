import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { writeZitadelDetail } from "../../errors/zitadel-detail.js";
import { isObject } from "./http-rule/text.js";

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

/** A detail in the form that `findDetails` reads, with its JSON for display. */
function toDetail({ "@type": url, ...debug }: JsonObject): ConnectError["details"][number] {
  const type = String(url).replace(/.*\//, "");
  return {
    type,
    // A tag with field number 0, which every decoder rejects: empty bytes would decode as a detail of this
    // type without any field.
    value: writeZitadelDetail(type, debug) ?? Uint8Array.of(0),
    debug,
  };
}
