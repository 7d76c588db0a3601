import { gunzipSync, gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { encodeFrame, FrameReader } from "../../common/frames.js";
import { earlyError, type RpcError } from "../model/errors.js";

/** The default limit of grpc-go for one message. */
const maxMessageBytes = 4 * 1024 * 1024;

/**
 * Reads the one message of a unary request: a byte of flags, four of length, the message.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @throws RpcError with grpc-go's message. A message over the limit is rejected before it is read.
 */
export async function readMessage(
  body: AsyncIterable<Uint8Array>,
  encoding: string | undefined,
): Promise<Uint8Array> {
  const frames = new FrameReader();
  for await (const chunk of body) {
    frames.add(chunk);
    checkLength(frames.length);
    const frame = frames.take();
    if (frame !== undefined) {
      const { flags, data } = frame;
      if (flags > 1) {
        throw earlyError(Code.Internal, `grpc: received unexpected payload format ${flags}`);
      }
      return flags === 0 ? data : decompress(data, encoding);
    }
  }
  throw earlyError(Code.Unknown, frames.heldBytes === 0 ? "EOF" : "unexpected EOF");
}

/**
 * Frames the message of a response. It is compressed if the request was, which shows that the client supports
 * it; an empty message never is.
 */
export function frameMessage(message: Uint8Array, encoding: string | undefined): Uint8Array {
  const compressed = encoding === "gzip" && message.byteLength > 0;
  const payload = compressed ? gzipSync(message) : message;
  return encodeFrame(payload, compressed ? 1 : 0);
}

/** @throws RpcError when the server does not support the compression. */
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
    throw decompressionError(error as NodeJS.ErrnoException);
  }
}

function decompressionError({ code, message }: NodeJS.ErrnoException): RpcError {
  if (code === "ERR_BUFFER_TOO_LARGE") {
    return earlyError(
      Code.ResourceExhausted,
      `grpc: received message after decompression larger than max ${maxMessageBytes}`,
    );
  }
  return message.includes("header")
    ? earlyError(Code.Internal, "grpc: failed to decompress the message: gzip: invalid header")
    : earlyError(Code.Internal, `grpc: failed to read decompressed data: ${message}`);
}

/** @throws RpcError for a message that is too long; returns the length of one that is not. */
export function checkLength(length: number): number {
  if (length > maxMessageBytes) {
    throw earlyError(
      Code.ResourceExhausted,
      `grpc: received message larger than max (${length} vs. ${maxMessageBytes})`,
    );
  }
  return length;
}
