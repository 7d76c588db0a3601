import type {
  DescMessage,
  JsonReadOptions,
  JsonValue,
  JsonWriteOptions,
  MessageShape,
} from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { causedBy } from "../../errors/certainty.js";
import type { BinaryFormatOptions, CommonOptions } from "../../options/options.js";

/** Encodes messages to bytes and decodes them. */
export interface Codec {
  /** The suffix of the content type: `application/grpc+proto`. */
  subtype: "proto" | "json";
  /**
   * @throws ConnectError `Internal` when the message does not serialize, `ResourceExhausted` beyond
   * `writeMaxBytes`.
   */
  encode<D extends DescMessage>(desc: D, message: MessageShape<D>): Uint8Array;
  /** @throws ConnectError `Internal` when the bytes do not decode to the message. */
  decode<D extends DescMessage>(desc: D, bytes: Uint8Array): MessageShape<D>;
}

/** Messages as JSON: protobuf-es's own functions, or those of `plain-json.ts`. */
export interface JsonFormat {
  toJson(
    desc: DescMessage,
    message: MessageShape<DescMessage>,
    options?: Partial<JsonWriteOptions>,
  ): JsonValue;
  fromJson<D extends DescMessage>(
    desc: D,
    json: JsonValue,
    options?: Partial<JsonReadOptions>,
  ): MessageShape<D>;
}

/** The codec of the format that a client requests. */
export function createCodec(
  options: BinaryFormatOptions & Pick<CommonOptions, "jsonOptions" | "writeMaxBytes">,
  { fromJson, toJson }: JsonFormat,
): Codec {
  const { useBinaryFormat = true, binaryOptions } = options;
  const jsonOptions = { ignoreUnknownFields: true, ...options.jsonOptions };
  return {
    subtype: useBinaryFormat ? "proto" : "json",
    encode(desc, message) {
      let bytes: Uint8Array;
      try {
        bytes = useBinaryFormat
          ? toBinary(desc, message, binaryOptions)
          : new TextEncoder().encode(JSON.stringify(toJson(desc, message, jsonOptions)));
      } catch (reason) {
        throw failure("the request cannot be written", reason);
      }
      checkSize(bytes, options);
      return bytes;
    },
    decode(desc, bytes) {
      try {
        return useBinaryFormat
          ? fromBinary(desc, bytes, binaryOptions)
          : fromJson(desc, JSON.parse(new TextDecoder().decode(bytes)), jsonOptions);
      } catch (reason) {
        throw failure("the response cannot be read", reason);
      }
    },
  };
}

/** @throws ConnectError `ResourceExhausted` when a request's message is larger than `writeMaxBytes`. */
export function checkSize(
  { length }: Uint8Array,
  { writeMaxBytes = Number.POSITIVE_INFINITY }: Pick<CommonOptions, "writeMaxBytes">,
): void {
  if (length > writeMaxBytes) {
    throw new ConnectError(
      `the request has ${length} bytes, more than writeMaxBytes (${writeMaxBytes})`,
      Code.ResourceExhausted,
    );
  }
}

function failure(what: string, reason: unknown): ConnectError {
  const message = reason instanceof Error ? reason.message : String(reason);
  return causedBy(reason, `${what}: ${message}`, Code.Internal);
}
