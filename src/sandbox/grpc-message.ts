import { gunzipSync, gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { earlyError } from "./errors.js";

/** The most that grpc-go takes of one message unless it is told otherwise. */
const maxMessageBytes = 4 * 1024 * 1024;

const prefixBytes = 5;

/**
 * Reads the one message of a unary request: a byte of flags, four of length, the message.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws RpcError in the words of grpc-go. Too long a message is refused before it is read.
 */
export async function readMessage(
  body: AsyncIterable<Uint8Array>,
  encoding: string | undefined,
): Promise<Uint8Array> {
  let bytes: Buffer = Buffer.alloc(0);
  let expected = prefixBytes;
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    received += chunk.byteLength;
    if (received < expected) {
      continue;
    }
    bytes = Buffer.concat(chunks.splice(0), received);
    chunks.push(bytes);
    expected = prefixBytes + bytes.readUInt32BE(1);
    checkLength(expected - prefixBytes);
    if (received >= expected) {
      break;
    }
  }
  if (received < expected) {
    throw earlyError(
      received === 0 ? Code.Internal : Code.Unknown,
      received === 0
        ? "cardinality violation: received no request message from non-client-streaming RPC"
        : "unexpected EOF",
    );
  }
  const message = bytes.subarray(prefixBytes, expected);
  return bytes[0] === 0 ? message : decompress(message, encoding);
}

/**
 * Frames the message of an answer. It is compressed when the request was, which says that the client
 * can read it; an empty message never is.
 */
export function frameMessage(message: Uint8Array, encoding: string | undefined): Uint8Array {
  const compressed = encoding === "gzip" && message.byteLength > 0;
  const payload = compressed ? gzipSync(message) : message;
  return frame(compressed ? 1 : 0, payload);
}

export function frame(flags: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(prefixBytes + payload.byteLength);
  bytes.writeUInt8(flags, 0);
  bytes.writeUInt32BE(payload.byteLength, 1);
  bytes.set(payload, prefixBytes);
  return bytes;
}

/** @throws RpcError when the server has nothing to decompress it with. */
export function checkEncoding(encoding: string | undefined): void {
  if (encoding !== undefined && encoding !== "identity" && encoding !== "gzip") {
    throw earlyError(
      Code.Unimplemented,
      `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`,
    );
  }
}

function decompress(message: Uint8Array, encoding: string | undefined): Uint8Array {
  if (encoding !== "gzip") {
    throw earlyError(Code.Internal, "grpc: compressed flag set with identity or empty encoding");
  }
  try {
    return gunzipSync(message, { maxOutputLength: maxMessageBytes });
  } catch (error) {
    if (error instanceof RangeError) {
      throw earlyError(
        Code.ResourceExhausted,
        `grpc: message after decompression larger than max ${maxMessageBytes}`,
      );
    }
    throw earlyError(Code.Internal, "grpc: failed to decompress the message: gzip: invalid header");
  }
}

export function checkLength(length: number): void {
  if (length > maxMessageBytes) {
    throw earlyError(
      Code.ResourceExhausted,
      `grpc: received message larger than max (${length} vs. ${maxMessageBytes})`,
    );
  }
}
