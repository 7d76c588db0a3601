import type { OutgoingHttpHeaders } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { AddedHeaders } from "../call/header-adder.js";
import { callHeaders } from "../call/request-headers.js";
import { grpcTimeout } from "./timeout-header.js";

const userAgent = "zitadel-user-grants";

/**
 * What requests say about themselves.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export class RequestHeaders {
  readonly #authority: string;
  readonly #pathPrefix: string;
  readonly #protocol: Readonly<Record<string, string>>;

  constructor(options: {
    /** Its host is sent, and its path goes before that of every method. */
    baseUrl: string;
    contentType: string;
    sendCompression: Compression | undefined;
    acceptCompression: readonly Compression[];
  }) {
    const { baseUrl, contentType, sendCompression, acceptCompression } = options;
    const { host, pathname } = new URL(baseUrl);
    this.#authority = host;
    this.#pathPrefix = pathname.replace(/\/$/, "");
    this.#protocol = {
      "content-type": contentType,
      te: "trailers",
      ...(sendCompression && { "grpc-encoding": sendCompression.name }),
      ...(acceptCompression.length > 0 && {
        "grpc-accept-encoding": acceptCompression.map(({ name }) => name).join(","),
      }),
    };
  }

  path(method: DescMethod): string {
    return `${this.#pathPrefix}/${method.parent.typeName}/${method.name}`;
  }

  /** What interceptors see, and may change but for what the protocol wants. */
  forInterceptors(init: HeadersInit | undefined, timeoutMs: number | undefined): Headers {
    const headers = callHeaders(init);
    for (const [name, value] of Object.entries(this.#protocol)) {
      headers.set(name, value);
    }
    if (!headers.has("user-agent")) {
      headers.set("user-agent", userAgent);
    }
    if (timeoutMs !== undefined) {
      headers.set("grpc-timeout", grpcTimeout(timeoutMs));
    }
    return headers;
  }

  /** What goes out with one attempt, but for `grpc-timeout`, which is known when it does. */
  block(method: DescMethod, headers: AddedHeaders | undefined): OutgoingHttpHeaders {
    const block: OutgoingHttpHeaders = {
      ":method": "POST",
      // Node would add the port even where it is the default, and ZITADEL picks its instance by this.
      ":authority": this.#authority,
      ":path": this.path(method),
      "user-agent": userAgent,
    };
    // Not "instanceof Headers": Node loads its whole fetch when that is first named.
    Object.assign(block, isIterable(headers) ? Object.fromEntries(headers) : headers);
    Object.assign(block, this.#protocol);
    block["grpc-timeout"] = undefined;
    return block;
  }
}

function isIterable(headers: AddedHeaders | undefined): headers is Headers {
  return headers !== undefined && Symbol.iterator in headers;
}
