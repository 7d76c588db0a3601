import { Code, ConnectError } from "@connectrpc/connect";

/** A length-prefixed message: 1 byte of flags, 4 bytes of length, then the data. */
export interface Frame {
  flags: number;
  data: Uint8Array;
}

export const prefixBytes = 5;

/**
 * One message as a frame.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 *
 * @param allocate returns a buffer of this many bytes, which need not be zeroed.
 */
export function encodeFrame(
  data: Uint8Array,
  flags = 0,
  allocate = (bytes: number) => new Uint8Array(bytes),
): Uint8Array<ArrayBuffer> {
  const { length } = data;
  const frame = allocate(prefixBytes + length);
  frame[0] = flags;
  // Bytes wrap around by themselves, and a view would cost more than all of this.
  frame[1] = length >>> 24;
  frame[2] = length >>> 16;
  frame[3] = length >>> 8;
  frame[4] = length;
  frame.set(data, prefixBytes);
  return frame;
}

/**
 * Collects frames from chunks. It holds only what has arrived, never what a prefix announces: a caller with a
 * limit checks `length` after each chunk.
 */
export class FrameReader {
  /** The flags of the current frame. */
  flags = 0;
  /** The length of its data in bytes, once its prefix has arrived; -1 until then. */
  length = -1;
  /** The bytes that are held, of this frame and after it. */
  heldBytes = 0;

  #chunks: Uint8Array[] = [];

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.heldBytes += chunk.length;
    this.#readPrefix();
  }

  /** Removes and returns the frame when it is complete; the next one becomes current. */
  take(): Frame | undefined {
    const end = prefixBytes + this.length;
    if (this.length < 0 || this.heldBytes < end) {
      return undefined;
    }
    const bytes = this.#joined();
    const frame = { flags: this.flags, data: bytes.subarray(prefixBytes, end) };
    this.#chunks = bytes.length > end ? [bytes.subarray(end)] : [];
    this.heldBytes -= end;
    this.length = -1;
    this.#readPrefix();
    return frame;
  }

  #readPrefix(): void {
    if (this.length < 0 && this.heldBytes >= prefixBytes) {
      const bytes = this.#joined();
      this.flags = bytes[0] ?? 0;
      this.length = 0;
      for (let at = 1; at < prefixBytes; at++) {
        this.length = this.length * 256 + (bytes[at] ?? 0);
      }
    }
  }

  #joined(): Uint8Array {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) {
      return first;
    }
    const joined = new Uint8Array(this.heldBytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [joined];
    return joined;
  }
}

/**
 * Reads the frames of a body as they arrive.
 *
 * @throws ConnectError `ResourceExhausted` for a frame beyond `readMaxBytes`, before its data is read;
 * `Internal` when the body ends within a frame.
 */
export async function* decodeFrames(
  chunks: AsyncIterable<Uint8Array>,
  readMaxBytes: number,
): AsyncGenerator<Frame> {
  const reader = new FrameReader();
  for await (const chunk of chunks) {
    reader.add(chunk);
    do {
      if (reader.length > readMaxBytes) {
        throw new ConnectError(
          `the response has a message of ${reader.length} bytes, more than readMaxBytes (${readMaxBytes})`,
          Code.ResourceExhausted,
        );
      }
      const frame = reader.take();
      if (frame === undefined) {
        break;
      }
      yield frame;
    } while (reader.heldBytes > 0);
  }
  if (reader.heldBytes > 0) {
    throw new ConnectError("the response was cut off in the middle of a message", Code.Internal);
  }
}
