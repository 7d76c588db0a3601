import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  DescMessage,
  JsonReadOptions,
  JsonWriteOptions,
  MessageShape,
} from "@bufbuild/protobuf";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

/** Turns messages into bytes and back, in the format that the content type names. */
export interface Codec {
  contentType: string;
  /** @throws ConnectError `Internal` when the message does not serialize. */
  encode<D extends DescMessage>(desc: D, message: MessageShape<D>): Uint8Array;
  /** @throws ConnectError `Internal` when the bytes are no such message. */
  decode<D extends DescMessage>(desc: D, bytes: Uint8Array): MessageShape<D>;
}

export function binaryCodec(
  options: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined,
): Codec {
  return {
    contentType: "application/grpc+proto",
    encode(desc, message) {
      try {
        return toBinary(desc, message, options);
      } catch (reason) {
        throw failure("serialize binary", reason);
      }
    },
    decode(desc, bytes) {
      try {
        return fromBinary(desc, bytes, options);
      } catch (reason) {
        throw failure("parse binary", reason);
      }
    },
  };
}

export function jsonCodec(options: Partial<JsonReadOptions & JsonWriteOptions> | undefined): Codec {
  const withDefaults = { ignoreUnknownFields: true, ...options };
  return {
    contentType: "application/grpc+json",
    encode(desc, message) {
      try {
        return Buffer.from(toJsonString(desc, message, withDefaults));
      } catch (reason) {
        throw failure("serialize JSON", reason);
      }
    },
    decode(desc, bytes) {
      try {
        return fromJsonString(desc, new TextDecoder().decode(bytes), withDefaults);
      } catch (reason) {
        throw failure("parse JSON", reason);
      }
    },
  };
}

function failure(what: string, reason: unknown): ConnectError {
  const message = reason instanceof Error ? reason.message : String(reason);
  return new ConnectError(`${what}: ${message}`, Code.Internal, undefined, undefined, reason);
}
