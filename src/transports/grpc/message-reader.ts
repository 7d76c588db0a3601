import { Code, ConnectError } from "@connectrpc/connect";
import { FrameReader, prefixBytes } from "../../common/frames.js";

/** The flag of a frame whose message is compressed. */
export const compressedFlag = 1;

/** Reads the one message of a unary response, and drops it at the first byte that violates the protocol. */
export class MessageReader {
  compressed = false;
  /** The violation, if there was one. */
  error: ConnectError | undefined;
  /** The first bytes received, for a response that turns out to be something else. */
  start: Buffer | undefined;

  readonly #readMaxBytes: number;
  #frames: FrameReader | undefined = new FrameReader();

  constructor(readMaxBytes: number) {
    this.#readMaxBytes = readMaxBytes;
  }

  add(chunk: Buffer): void {
    this.start ??= chunk;
    const frames = this.#frames;
    if (frames === undefined) {
      return;
    }
    frames.add(chunk);
    const { flags, length, heldBytes } = frames;
    if (length < 0) {
      return;
    }
    this.compressed = flags === compressedFlag;
    if (flags > compressedFlag) {
      this.#fail(
        `protocol error: unknown flags 0x${flags.toString(16)} before a message`,
        Code.Internal,
      );
    } else if (length > this.#readMaxBytes) {
      this.#fail(
        `message size ${length} is larger than readMaxBytes ${this.#readMaxBytes}`,
        Code.ResourceExhausted,
      );
    } else if (heldBytes > prefixBytes + length) {
      this.#fail(
        "protocol error: received extra output message for unary method",
        Code.Unimplemented,
      );
    }
  }

  /** The message, once the response is complete; undefined if there was no message, or an error. */
  finish(): Uint8Array | undefined {
    const frames = this.#frames;
    if (frames === undefined || frames.heldBytes === 0) {
      return undefined;
    }
    const { length, heldBytes } = frames;
    const message = frames.take()?.data;
    if (message === undefined) {
      this.#fail(
        length < 0
          ? "protocol error: the response ended inside a message's prefix"
          : `protocol error: the response ended after ${heldBytes - prefixBytes} of ${length} bytes of its message`,
        Code.Internal,
      );
    }
    return message;
  }

  #fail(message: string, code: Code): void {
    this.error = new ConnectError(message, code);
    this.#frames = undefined;
  }
}
