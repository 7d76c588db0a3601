import type { IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { readStatus, type Status } from "../call/status.js";
import { unexpectedResponse } from "../call/unexpected-response.js";
import { headerValue, webHeaders } from "./headers.js";
import { MessageReader } from "./message-reader.js";
import type { ResponseHeader } from "./stream-events.js";

/** The response to a call whose status is OK. */
export class UnaryGrpcResponse {
  readonly message: Uint8Array;
  /** How to decompress the message, if it is compressed. */
  readonly compression: Compression | undefined;

  readonly #header: IncomingHttpHeaders;
  readonly #trailer: IncomingHttpHeaders | undefined;
  #webHeader: Headers | undefined;
  #webTrailer: Headers | undefined;

  constructor(
    header: IncomingHttpHeaders,
    trailer: IncomingHttpHeaders | undefined,
    message: Uint8Array,
    compression: Compression | undefined,
  ) {
    this.#header = header;
    this.#trailer = trailer;
    this.message = message;
    this.compression = compression;
  }

  /** Created on first access. */
  get header(): Headers {
    this.#webHeader ??= webHeaders(this.#header);
    return this.#webHeader;
  }

  /** Created on first access. */
  get trailer(): Headers {
    this.#webTrailer ??= webHeaders(this.#trailer);
    return this.#webTrailer;
  }
}

/**
 * Reads the response of a unary call as it arrives. Each method returns the result of the call once it is
 * known: the response, or the error.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
 */
export class UnaryResponseReader {
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
  onHeader(header: ResponseHeader, isLast: boolean): UnaryGrpcResponse | ConnectError | undefined {
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
  onEnd(trailer: IncomingHttpHeaders | undefined): UnaryGrpcResponse | ConnectError | undefined {
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
    return new UnaryGrpcResponse(header, trailer, message, compression);
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
