import { Code, ConnectError } from "@connectrpc/connect";

const prefixBytes = 5;
const compressedFlag = 1;

/**
 * Puts the prefix of gRPC before a message: one byte of flags, four of length.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export function frame(message: Uint8Array, compressed: boolean): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed[0] = compressed ? compressedFlag : 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/**
 * Collects the one message of a unary response from the chunks in which it comes. It holds only what has
 * come, never what a prefix promises, and stops holding at the first byte that breaks a rule.
 */
export class MessageReader {
  compressed = false;
  /** The rule that was broken, if one was. */
  error: ConnectError | undefined;

  readonly #readMaxBytes: number;
  #chunks: Buffer[] = [];
  #length = 0;
  #messageLength = -1;

  constructor(readMaxBytes: number) {
    this.#readMaxBytes = readMaxBytes;
  }

  /** The first bytes that came, for a response that turns out to be something else. */
  start: Buffer | undefined;

  add(chunk: Buffer): void {
    this.start ??= chunk;
    if (this.error !== undefined) {
      return;
    }
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#messageLength < 0 && this.#length >= prefixBytes) {
      this.#readPrefix();
    }
    if (this.#messageLength >= 0 && this.#length > prefixBytes + this.#messageLength) {
      this.#fail(
        "protocol error: received extra output message for unary method",
        Code.Unimplemented,
      );
    }
  }

  /** The message, once the response has ended; undefined when there was none, or an error. */
  finish(): Uint8Array | undefined {
    if (this.error !== undefined || this.#length === 0) {
      return undefined;
    }
    if (this.#length < prefixBytes + Math.max(0, this.#messageLength)) {
      this.#fail(
        this.#messageLength < 0
          ? "protocol error: the response ended inside a message's prefix"
          : `protocol error: the response ended after ${this.#length - prefixBytes} of ${this.#messageLength} bytes of its message`,
        Code.Internal,
      );
      return undefined;
    }
    return this.#joined().subarray(prefixBytes);
  }

  #readPrefix(): void {
    const prefix = this.#joined();
    const flags = prefix.readUInt8(0);
    const length = prefix.readUInt32BE(1);
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
    } else {
      this.compressed = flags === compressedFlag;
      this.#messageLength = length;
    }
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) {
      return first;
    }
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #fail(message: string, code: Code): void {
    this.error = new ConnectError(message, code);
    this.#chunks = [];
  }
}
