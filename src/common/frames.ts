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
  // First the prefix is filled, then the data.
  let target = new Uint8Array(prefixBytes);
  let filled = 0;
  let flags: number | undefined;
  for await (let chunk of chunks) {
    while (chunk.length > 0 || target.length === 0) {
      const part = chunk.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
      chunk = chunk.subarray(part.length);
      if (filled < target.length) {
        continue;
      }
      filled = 0;
      if (flags === undefined) {
        const length = new DataView(target.buffer).getUint32(1);
        if (length > readMaxBytes) {
          throw new ConnectError(
            `the response has a message of ${length} bytes, more than readMaxBytes (${readMaxBytes})`,
            Code.ResourceExhausted,
          );
        }
        flags = target[0] ?? 0;
        target = new Uint8Array(length);
      } else {
        yield { flags, data: target };
        flags = undefined;
        target = new Uint8Array(prefixBytes);
      }
    }
  }
  if (filled > 0 || flags !== undefined) {
    throw new ConnectError(
      "the response was cut off in the middle of a message. Whether the call was carried out is not known",
      Code.Internal,
    );
  }
}
