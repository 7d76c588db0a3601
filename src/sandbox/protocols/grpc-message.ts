import { gunzipSync, gzipSync } from "node:zlib";
import { Code } from "@connectrpc/connect";
import { encodeFrame, FrameReader } from "../../common/frames.js";
import { earlyError, type RpcError } from "../model/errors.js";
import type { Generation } from "../model/generation.js";

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
  generation: Generation,
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
      return flags === 0 ? data : decompress(data, encoding, generation);
    }
  }
  throw earlyError(Code.Unknown, frames.length < 0 ? "EOF" : "unexpected EOF");
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

function decompress(
  message: Uint8Array,
  encoding: string | undefined,
  generation: Generation,
): Uint8Array {
  if (encoding !== "gzip") {
    throw earlyError(Code.Internal, "grpc: compressed flag set with identity or empty encoding");
  }
  try {
    return gunzipSync(message, { maxOutputLength: maxMessageBytes });
  } catch (error) {
    throw decompressionError(message, error as NodeJS.ErrnoException, generation);
  }
}

const gzipHeaderBytes = 10;

/** In the words of Go's gzip reader, and of the grpc-go that each generation is built with. */
function decompressionError(
  message: Uint8Array,
  { code, message: text }: NodeJS.ErrnoException,
  generation: Generation,
): RpcError {
  const isV4 = generation === "v4";
  if (code === "ERR_BUFFER_TOO_LARGE") {
    const compared = `(${maxMessageBytes + 1} vs. ${maxMessageBytes})`;
    return earlyError(
      Code.ResourceExhausted,
      `grpc: received message after decompression larger than max ${isV4 ? maxMessageBytes : compared}`,
    );
  }
  const isShort = message.byteLength < gzipHeaderBytes;
  const isHeader = isShort || text.includes("header");
  const causes = [
    [message.byteLength === 0, "EOF"],
    [isShort || text === "unexpected end of file", "unexpected EOF"],
    [isHeader, "gzip: invalid header"],
    [/incorrect (data|length) check/.test(text), "gzip: invalid checksum"],
  ] as const;
  const [, cause] = causes.find(([applies]) => applies) ?? [true, text];
  const what = isV4
    ? isHeader
      ? "failed to decompress the message"
      : "failed to read decompressed data"
    : "failed to decompress the received message";
  return earlyError(Code.Internal, `grpc: ${what}: ${cause}`);
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
