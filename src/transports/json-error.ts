import type { DescMessage, JsonObject, JsonValue, Registry } from "@bufbuild/protobuf";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema as ErrorDetailV2Schema } from "../../gen/zitadel/error/v2/error_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";

/** Details that can be had as messages without a registry. */
const knownDetails: readonly DescMessage[] = [ErrorDetailSchema, ErrorDetailV2Schema];

/** A tag with field number 0, which no decoder takes. */
const undecodable = Uint8Array.of(0);

/**
 * The error that grpc-gateway writes as `{"code", "message", "details"}`: `google.rpc.Status` in JSON.
 * Undefined when JSON is something else.
 *
 * @param registry where to find further types of details.
 */
export function gatewayError(
  json: JsonValue,
  headers: Headers,
  registry?: Registry | undefined,
): ConnectError | undefined {
  if (!isObject(json)) {
    return undefined;
  }
  const { code, message, details } = json;
  if (typeof code !== "number" || !(code in Code) || typeof (message ?? "") !== "string") {
    return undefined;
  }
  const error = new ConnectError(String(message ?? ""), code, headers);
  error.isWireError = true;
  error.details = (Array.isArray(details) ? details : []).flatMap((detail) =>
    isObject(detail) ? toDetail(detail, registry) : [],
  );
  return error;
}

/** A detail in the form that `findDetails` reads, with its JSON for people to see. */
function toDetail(
  { "@type": url, ...debug }: JsonObject,
  registry: Registry | undefined,
): ConnectError["details"] {
  if (typeof url !== "string") {
    return [];
  }
  const type = url.slice(url.lastIndexOf("/") + 1);
  const desc = knownDetails.find(({ typeName }) => typeName === type) ?? registry?.getMessage(type);
  let value = undecodable;
  if (desc !== undefined) {
    try {
      value = toBinary(desc, fromJson(desc, debug, { ignoreUnknownFields: true }));
    } catch {
      // Not what its type says: it stays readable for people.
    }
  }
  // Without its type a detail has no binary form. Empty bytes would pass for one with no field set.
  return [{ type, value, debug }];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
