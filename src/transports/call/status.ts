import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, base64Decode } from "@bufbuild/protobuf/wire";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { decides } from "../../errors/certainty.js";
import { markNotProcessed } from "../../errors/not-processed.js";

const headerStatus = "grpc-status";
const headerMessage = "grpc-message";
const headerDetails = "grpc-status-details-bin";

/** What headers or trailers report about the outcome of a call. */
export interface Status {
  /** Whether there is a `grpc-status` at all. */
  found: boolean;
  /** The error, unless the status is 0. */
  error: ConnectError | undefined;
}

/**
 * Reads `grpc-status`, `grpc-message` and `grpc-status-details-bin`
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses).
 *
 * A malformed message or malformed details do not change the status. A malformed status is an error: only a
 * plain 0 means that the call succeeded.
 */
export function readStatus(fields: Headers): Status {
  const text = fields.get(headerStatus);
  if (text === null) {
    return { found: false, error: undefined };
  }
  const details = readDetails(fields);
  if (text === "0" && details === undefined) {
    return { found: true, error: undefined };
  }
  const code = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (!(code in Code)) {
    return {
      found: true,
      error: wireError(
        new ConnectError(
          text === "0"
            ? `grpc-status is 0, but ${headerDetails} holds an error with code ${details?.code}`
            : `${headerStatus} must be a number from 0 to 16, got ${JSON.stringify(text.slice(0, 80))}`,
          Code.Internal,
          fields,
        ),
      ),
    };
  }
  const error = new ConnectError(
    details?.code === code ? details.message : percentDecode(fields.get(headerMessage) ?? ""),
    code,
    fields,
  );
  // Details with another status do not belong to this one.
  if (details?.code === code) {
    error.details = details.details;
  }
  return { found: true, error: wireError(decides(code) ? markNotProcessed(error) : error) };
}

/** A `google.rpc.Status` (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto). */
interface RpcStatus {
  code: number;
  message: string;
  details: { type: string; value: Uint8Array }[];
}

/** The status in the attached details, if it decodes and is an error. */
function readDetails(fields: Headers): RpcStatus | undefined {
  const value = fields.get(headerDetails);
  if (value === null) {
    return undefined;
  }
  const status: RpcStatus = { code: 0, message: "", details: [] };
  try {
    const reader = new BinaryReader(base64Decode(value));
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) {
        status.code = reader.int32();
      } else if (field === 2) {
        status.message = reader.string();
      } else if (field === 3) {
        const { typeUrl, value } = fromBinary(AnySchema, reader.bytes());
        status.details.push({ type: typeUrl.replace(/^.*\//, ""), value });
      } else {
        reader.skip(type, field);
      }
    }
  } catch {
    return undefined;
  }
  return status.code === 0 ? undefined : status;
}

function wireError(error: ConnectError): ConnectError {
  error.isWireError = true;
  return error;
}

/** Percent-decodes a message; invalid escapes are kept, and invalid UTF-8 is replaced. */
function percentDecode(message: string): string {
  return message.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    new TextDecoder().decode(
      Uint8Array.from(escapes.slice(1).split("%"), (hex) => Number.parseInt(hex, 16)),
    ),
  );
}
