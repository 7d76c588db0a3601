import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import type { MessageKey } from "./messages.js";

/**
 * The error of an RPC. With an `id` it is one of ZITADEL's own: the status message is then the text with the
 * id in brackets, and the detail holds both separately. Without an `id`, it comes from the libraries that the
 * server is built with.
 */
export class RpcError extends Error {
  readonly code: Code;
  /** The message, without the id. */
  readonly text: string;
  readonly id: string | undefined;
  /** True for an error from before the interceptors, which add no headers to its response then. */
  readonly early: boolean;

  constructor(code: Code, text: string, id?: string, early = false) {
    super(id === undefined ? text : `${text} (${id})`);
    this.name = "RpcError";
    this.code = code;
    this.text = text;
    this.id = id;
    this.early = early;
  }
}

/** An error whose message is translated into the language of the call. */
export class CommandError extends Error {
  readonly code: Code;
  readonly key: MessageKey;
  readonly id: string;

  constructor(code: Code, key: MessageKey, id: string) {
    super(`${key} (${id})`);
    this.name = "CommandError";
    this.code = code;
    this.key = key;
    this.id = id;
  }

  translated(text: string): RpcError {
    return new RpcError(this.code, text, this.id);
  }
}

/** An error from before the interceptors: of the gRPC library, not of ZITADEL. */
export function earlyError(code: Code, message: string): RpcError {
  return new RpcError(code, message, undefined, true);
}

export function deadlineExceeded(early: boolean): RpcError {
  return new RpcError(Code.DeadlineExceeded, "context deadline exceeded", undefined, early);
}

export const errorDetailTypeUrl = `type.googleapis.com/${ErrorDetailSchema.typeName}`;

/** The trailers with the outcome. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function statusTrailers(error: RpcError | undefined): Record<string, string> {
  if (error === undefined) {
    return { "grpc-status": "0" };
  }
  const trailers: Record<string, string> = { "grpc-status": String(error.code) };
  if (error.message !== "") {
    trailers["grpc-message"] = percentEncode(error.message);
  }
  if (error.id !== undefined) {
    trailers["grpc-status-details-bin"] = Buffer.from(statusBytes(error, error.id))
      .toString("base64")
      .replace(/=+$/, "");
  }
  return trailers;
}

/** A serialized google.rpc.Status: code = 1, message = 2, details (google.protobuf.Any) = 3. */
function statusBytes(error: RpcError, id: string): Uint8Array {
  const detail = create(ErrorDetailSchema, { id, message: error.text });
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(error.code)
    .tag(2, WireType.LengthDelimited)
    .string(error.message)
    .tag(3, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.LengthDelimited)
    .string(errorDetailTypeUrl)
    .tag(2, WireType.LengthDelimited)
    .bytes(toBinary(ErrorDetailSchema, detail))
    .join()
    .finish();
}

/**
 * Percent-encodes everything except printable ASCII, and the percent sign, as `Percent-Byte` of the gRPC
 * document.
 */
function percentEncode(message: string): string {
  let encoded = "";
  for (const byte of Buffer.from(message)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
