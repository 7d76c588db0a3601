import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { FrameReader, prefixBytes } from "../../common/frames.js";
import { readStatus, type Status, unexpectedResponse } from "../call/status.js";

export type ResponseHeader = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** The flag of a frame whose message is compressed. */
export const compressedFlag = 1;

/** The response to a call whose status is OK. */
export interface ReceivedResponse {
  readonly header: IncomingHttpHeaders;
  readonly trailer: IncomingHttpHeaders | undefined;
  readonly message: Uint8Array;
  /** How to decompress the message, if it is compressed. */
  readonly compression: Compression | undefined;
}

/** A response whose `Headers` are created on first access: most calls look at the message alone. */
export class GrpcResponse<I extends DescMessage, O extends DescMessage>
  implements UnaryResponse<I, O>
{
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #received: ReceivedResponse;
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(method: DescMethodUnary<I, O>, message: MessageShape<O>, received: ReceivedResponse) {
    this.service = method.parent;
    this.method = method;
    this.message = message;
    this.#received = received;
  }

  get header(): Headers {
    this.#header ??= webHeaders(this.#received.header);
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= webHeaders(this.#received.trailer);
    return this.#trailer;
  }
}

/**
 * Reads the response of a unary call as it arrives. Each method returns the result of the call once it is
 * known: the response, or the error.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 */
export class ResponseReader {
  readonly #acceptCompression: readonly Compression[];
  readonly #message: MessageReader;
  #header: ResponseHeader | undefined;
  #compression: Compression | undefined;
  #unknownEncoding: string | undefined;

  constructor(options: {
    readonly readMaxBytes: number;
    readonly acceptCompression: readonly Compression[];
  }) {
    const { readMaxBytes, acceptCompression } = options;
    this.#acceptCompression = acceptCompression;
    this.#message = new MessageReader(readMaxBytes);
  }

  /** @param isLast whether nothing follows. */
  onHeader(header: ResponseHeader, isLast: boolean): ReceivedResponse | ConnectError | undefined {
    this.#header = header;
    if (!isGrpc(header)) {
      // Its first bytes may show who responded.
      return isLast || this.#message.start !== undefined ? this.#unexpected(header) : undefined;
    }
    const encoding = headerValue(header, "grpc-encoding");
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
      this.#compression = this.#acceptCompression.find(({ name }) => name === encoding);
      this.#unknownEncoding = this.#compression === undefined ? encoding : undefined;
    }
    return isLast ? this.onEnd(undefined) : this.#message.error;
  }

  onData(chunk: Buffer): ConnectError | undefined {
    this.#message.add(chunk);
    const header = this.#header;
    // Until the headers have been checked, the body may be anything.
    if (header === undefined) {
      return undefined;
    }
    if (!isGrpc(header)) {
      return this.#unexpected(header);
    }
    return this.#unknownEncoding === undefined
      ? this.#message.error
      : this.#protocolError(
          `unsupported response encoding "${this.#unknownEncoding}"`,
          Code.Internal,
        );
  }

  /** The response is complete: trailers have arrived, or the stream has ended without trailers. */
  onEnd(trailer: IncomingHttpHeaders | undefined): ReceivedResponse | ConnectError | undefined {
    const header = this.#header;
    if (header === undefined) {
      return undefined;
    }
    if (!isGrpc(header)) {
      return this.#unexpected(header);
    }
    const message = this.#message.finish();
    const isBodyless = message === undefined && this.#message.error === undefined;
    // A status in the headers counts only if nothing follows ("Trailers-Only").
    const { found, error } = statusOf(trailer ?? (isBodyless ? header : undefined));
    if (error !== undefined) {
      if (trailer !== undefined) {
        webHeaders(header).forEach((value, name) => {
          error.metadata.append(name, value);
        });
      }
      return error;
    }
    if (this.#message.error !== undefined) {
      return this.#message.error;
    }
    if (!found) {
      return this.#protocolError("missing status", Code.Internal);
    }
    if (message === undefined) {
      return this.#protocolError(
        "missing output message for unary method",
        trailer === undefined ? Code.Unknown : Code.Unimplemented,
      );
    }
    if (this.#message.compressed && this.#compression === undefined) {
      return this.#protocolError(
        "received compressed message without grpc-encoding",
        Code.Internal,
      );
    }
    const compression = this.#message.compressed ? this.#compression : undefined;
    return { header, trailer, message, compression };
  }

  #unexpected(header: ResponseHeader): ConnectError {
    return unexpectedResponse({
      status: header[":status"] ?? 0,
      headers: webHeaders(header),
      body: this.#message.start?.toString() ?? "",
      expected: "gRPC",
      alternative: "; zitadel-user-grants/grpc-web and zitadel-user-grants/json pass most",
    });
  }

  #protocolError(what: string, code: Code): ConnectError {
    return new ConnectError(`protocol error: ${what}`, code, webHeaders(this.#header));
  }
}

/**
 * Whether a response follows the protocol. A gRPC status makes it valid, whatever its HTTP status: the
 * mapping of HTTP statuses is only for responses without a gRPC status.
 */
function isGrpc(header: ResponseHeader): boolean {
  const isOk = header[":status"] === 200 || header["grpc-status"] !== undefined;
  return isOk && contentTypes.test(header["content-type"] ?? "");
}

const contentTypes = /^application\/grpc(?:\+(?:json|proto))?\s*(?:;.*)?$/i;

/** The trailers of every successful response, without creating an object for them. */
const ok: Status = { found: true, error: undefined };

function statusOf(fields: IncomingHttpHeaders | undefined): Status {
  if (fields?.["grpc-status"] === "0" && fields["grpc-status-details-bin"] === undefined) {
    return ok;
  }
  return readStatus(webHeaders(fields));
}

/** Reads the one message of a unary response, and drops it at the first byte that violates the protocol. */
class MessageReader {
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

/** Response headers or trailers as `Headers`, without HTTP/2's pseudo-headers. */
export function webHeaders(...blocks: (IncomingHttpHeaders | undefined)[]): Headers {
  const headers = new Headers();
  for (const block of blocks) {
    for (const name in block) {
      const value = block[name];
      if (name.startsWith(":") || value === undefined) {
        continue;
      }
      if (Array.isArray(value)) {
        for (const one of value) {
          headers.append(name, one);
        }
      } else {
        headers.append(name, value);
      }
    }
  }
  return headers;
}

/** The value of a header; several values are joined as `Headers` joins them. */
export function headerValue(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}
