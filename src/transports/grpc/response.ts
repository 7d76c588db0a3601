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

/** What the headers of a response are made of. No private field: objects that derive from a response have them too. */
const blocks = Symbol("blocks");

/**
 * A response whose `Headers` are created on first access: most calls and interceptors look at the message alone, and
 * they cost a tenth of a call. They are own properties, since interceptors copy responses by spreading.
 */
export class GrpcResponse<I extends DescMessage, O extends DescMessage>
  implements UnaryResponse<I, O>
{
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly [blocks]: Record<"header" | "trailer", IncomingHttpHeaders | Headers | undefined>;
  declare readonly header: Headers;
  declare readonly trailer: Headers;

  constructor(method: DescMethodUnary<I, O>, message: MessageShape<O>, received: ReceivedResponse) {
    this.service = method.parent;
    this.method = method;
    this.message = message;
    this[blocks] = { header: received.header, trailer: received.trailer };
    Object.defineProperty(this, "header", lazyHeader);
    Object.defineProperty(this, "trailer", lazyTrailer);
  }
}

const ordinary = { writable: true, enumerable: true, configurable: true };

function lazy(name: "header" | "trailer") {
  return {
    enumerable: true,
    configurable: true,
    get(this: Pick<GrpcResponse<DescMessage, DescMessage>, typeof blocks>): Headers {
      const block = this[blocks][name];
      const headers = block instanceof Headers ? block : webHeaders(block);
      this[blocks][name] = headers;
      return headers;
    },
    /** As of an ordinary property: an interceptor may put other headers there. */
    set(this: object, value: Headers): void {
      Object.defineProperty(this, name, { ...ordinary, value });
    },
  };
}

const lazyHeader = lazy("header");
const lazyTrailer = lazy("trailer");

interface ReaderOptions {
  readonly readMaxBytes: number;
  readonly acceptCompression: readonly Compression[];
}

/**
 * Reads the response of a unary call as it arrives. Each method returns the result of the call once it is
 * known: the response, or the error.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 */
export class ResponseReader {
  readonly #options: ReaderOptions;
  readonly #frames = new FrameReader();
  #header: ResponseHeader | undefined;
  /** The first bytes received, for a response that turns out to be something else. */
  #start: Buffer | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** @param isLast whether nothing follows. */
  onHeader(header: ResponseHeader, isLast: boolean): ReceivedResponse | ConnectError | undefined {
    this.#header = header;
    if (isLast) {
      return this.onEnd(undefined);
    }
    return this.#start === undefined ? undefined : this.#check(header);
  }

  onData(chunk: Buffer): ConnectError | undefined {
    this.#start ??= chunk;
    this.#frames.add(chunk);
    // Until the headers have been checked, the body may be anything.
    return this.#header && this.#check(this.#header);
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
    const { flags, length, heldBytes } = this.#frames;
    // A status in the headers counts if no message follows ("Trailers-Only"), and no other status.
    const isInTrailer = trailer?.["grpc-status"] !== undefined || heldBytes > 0;
    const { found, error } = statusOf(isInTrailer ? trailer : header);
    if (error !== undefined) {
      if (isInTrailer) {
        webHeaders(header).forEach((value, name) => {
          error.metadata.append(name, value);
        });
      }
      return error;
    }
    const message = this.#frames.take()?.data;
    if (message === undefined && heldBytes > 0) {
      return this.#broken(
        length < 0
          ? "the response ended inside a message's prefix"
          : `the response ended after ${heldBytes - prefixBytes} of ${length} bytes of its message`,
      );
    }
    if (!found || (header["grpc-status"] ?? "0") !== "0") {
      return this.#broken(found ? "an OK after an error in the headers" : "missing status");
    }
    if (message === undefined) {
      return this.#broken(
        "missing output message for unary method",
        trailer === undefined ? Code.Unknown : Code.Unimplemented,
      );
    }
    const compression = flags === compressedFlag ? this.#compression(header) : undefined;
    return flags === compressedFlag && compression === undefined
      ? this.#broken("received compressed message without grpc-encoding")
      : { header, trailer, message, compression };
  }

  /** The first violation of the protocol in what has arrived of the body. */
  #check(header: ResponseHeader): ConnectError | undefined {
    if (!isGrpc(header)) {
      return this.#unexpected(header);
    }
    const encoding = encodingOf(header);
    if (encoding !== undefined && this.#compression(header) === undefined) {
      return this.#broken(`unsupported response encoding "${encoding}"`);
    }
    const { flags, length, heldBytes } = this.#frames;
    if (length < 0) {
      return undefined;
    }
    if (flags > compressedFlag) {
      return this.#broken(`unknown flags 0x${flags.toString(16)} before a message`);
    }
    if (length > this.#options.readMaxBytes) {
      return new ConnectError(
        `message size ${length} is larger than readMaxBytes ${this.#options.readMaxBytes}`,
        Code.ResourceExhausted,
      );
    }
    return heldBytes > prefixBytes + length
      ? this.#broken("received extra output message for unary method", Code.Unimplemented)
      : undefined;
  }

  #compression(header: ResponseHeader): Compression | undefined {
    const encoding = encodingOf(header);
    return this.#options.acceptCompression.find(({ name }) => name === encoding);
  }

  #unexpected(header: ResponseHeader): ConnectError {
    return unexpectedResponse({
      status: header[":status"] ?? 0,
      headers: webHeaders(header),
      body: this.#start?.toString() ?? "",
      expected: "gRPC",
      alternative: "; zitadel-user-grants/grpc-web and zitadel-user-grants/json pass most",
    });
  }

  #broken(what: string, code = Code.Internal): ConnectError {
    return new ConnectError(`protocol error: ${what}`, code, webHeaders(this.#header));
  }
}

/** The compression of a response; undefined for none. */
function encodingOf(header: ResponseHeader): string | undefined {
  const value = header["grpc-encoding"];
  const encoding = Array.isArray(value) ? value.join(", ") : value;
  return encoding?.toLowerCase() === "identity" ? undefined : encoding;
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

/** Response headers or trailers as `Headers`, without HTTP/2's pseudo-headers. */
export function webHeaders(block: IncomingHttpHeaders | undefined): Headers {
  const headers = new Headers();
  for (const name in block) {
    const value = block[name];
    if (Array.isArray(value)) {
      for (const one of value) {
        headers.append(name, one);
      }
    } else if (value !== undefined && !name.startsWith(":")) {
      headers.append(name, value);
    }
  }
  return headers;
}
