import { Code, ConnectError } from "@connectrpc/connect";

/** A length-prefixed message: 1 byte of flags, 4 bytes of length, then the data. */
export interface Frame {
  flags: number;
  data: Uint8Array;
}

export const prefixBytes = 5;

/** One message as a frame. */
export function encodeFrame(data: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(prefixBytes + data.length);
  frame[0] = flags;
  new DataView(frame.buffer).setUint32(1, data.length);
  frame.set(data, prefixBytes);
  return frame;
}

/**
 * Reads the frames of a body as they arrive.
 *
 * @throws ConnectError `ResourceExhausted` for a frame beyond `readMaxBytes`, before anything is
 * allocated for it; `Internal` when the body ends within a frame.
 */
export async function* decodeFrames(
  chunks: AsyncIterable<Uint8Array>,
  readMaxBytes: number,
): AsyncGenerator<Frame> {
  // Grows by doubling: bytes that drip in one by one cost no more than bytes that come at once.
  let buffer = new Uint8Array(1024);
  let length = 0;
  for await (const chunk of chunks) {
    if (length + chunk.length > buffer.length) {
      const grown = new Uint8Array(Math.max(2 * buffer.length, length + chunk.length));
      grown.set(buffer.subarray(0, length));
      buffer = grown;
    }
    buffer.set(chunk, length);
    length += chunk.length;
    let start = 0;
    for (;;) {
      const frame = takeFrame(buffer.subarray(start, length), readMaxBytes);
      if (frame === undefined) {
        break;
      }
      start += prefixBytes + frame.data.length;
      yield frame;
    }
    buffer.copyWithin(0, start, length);
    length -= start;
  }
  if (length > 0) {
    throw new ConnectError(
      "the answer was cut off in the middle of a message. Whether the call was carried out is not known",
      Code.Internal,
    );
  }
}

function takeFrame(bytes: Uint8Array, readMaxBytes: number): Frame | undefined {
  if (bytes.length < prefixBytes) {
    return undefined;
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (length > readMaxBytes) {
    throw new ConnectError(
      `the answer has a message of ${length} bytes, more than readMaxBytes (${readMaxBytes})`,
      Code.ResourceExhausted,
    );
  }
  return bytes.length < prefixBytes + length
    ? undefined
    : { flags: bytes[0] ?? 0, data: bytes.slice(prefixBytes, prefixBytes + length) };
}
