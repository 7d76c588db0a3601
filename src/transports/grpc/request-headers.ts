import type { OutgoingHttpHeaders } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryRequest } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { unreadFields } from "../call/request.js";
import { callHeaders } from "../call/request-headers.js";
import { grpcTimeout } from "./timeout-header.js";

const userAgent = "zitadel-user-grants";

/**
 * What requests say about themselves.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export class RequestHeaders {
  readonly #origin: string;
  readonly #authority: string;
  readonly #pathPrefix: string;
  readonly #protocol: Readonly<Record<string, string>>;
  readonly #urls = new WeakMap<DescMethod, string>();

  constructor(options: {
    /** Its host is sent, and its path goes before that of every method. */
    baseUrl: string;
    contentType: string;
    sendCompression: Compression | undefined;
    acceptCompression: readonly Compression[];
  }) {
    const { baseUrl, contentType, sendCompression, acceptCompression } = options;
    const { origin, host, pathname } = new URL(baseUrl);
    this.#origin = origin;
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

  /** Where requests for a method go. */
  url(method: DescMethod): string {
    let url = this.#urls.get(method);
    if (url === undefined) {
      url = `${this.#origin}${this.#pathPrefix}/${method.parent.typeName}/${method.name}`;
      this.#urls.set(method, url);
    }
    return url;
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

  /**
   * What goes out with one attempt, but for `grpc-timeout`, which is known when it does.
   *
   * @throws ConnectError `InvalidArgument` when an interceptor sends the request to another server.
   */
  block(request: UnaryRequest): OutgoingHttpHeaders {
    const block: OutgoingHttpHeaders = {
      ":method": "POST",
      // Node would add the port even where it is the default, and ZITADEL picks its instance by this.
      ":authority": this.#authority,
      ":path": this.#path(request.url),
      "user-agent": userAgent,
      "grpc-timeout": undefined,
    };
    // Loops, since copies by spreading are slower to read.
    const fields = unreadFields(request) ?? Object.fromEntries(request.header);
    for (const name in fields) {
      block[name] = fields[name];
    }
    for (const name in this.#protocol) {
      block[name] = this.#protocol[name];
    }
    return block;
  }

  #path(url: string): string {
    if (url.startsWith(this.#origin) && url[this.#origin.length] === "/") {
      return url.slice(this.#origin.length);
    }
    const { origin, pathname, search } = URL.canParse(url) ? new URL(url) : { origin: "no URL" };
    if (origin !== this.#origin) {
      throw new ConnectError(
        `an interceptor has set the request's url to ${origin}, but the connections of this client go to ${this.#origin}; nothing was sent`,
        Code.InvalidArgument,
      );
    }
    return `${pathname}${search}`;
  }
}
