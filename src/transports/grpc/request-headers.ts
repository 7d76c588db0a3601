import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryRequest } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderFields } from "../call/request.js";
import { callHeaders } from "../call/request-headers.js";
import { type HeaderList, headerTimeout } from "./header-list.js";
import { unreadFields } from "./lazy-request.js";
import { grpcTimeout } from "./timeout-header.js";

const userAgent = "zitadel-user-grants";

/**
 * The fixed header values of requests.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export class RequestHeaders {
  readonly #origin: string;
  readonly #scheme: string;
  readonly #authority: string;
  readonly #pathPrefix: string;
  readonly #protocol: Readonly<Record<string, string>>;
  readonly #urls = new WeakMap<DescMethod, string>();
  #last: { url: string; unread: HeaderFields; list: HeaderList } | undefined;

  constructor(options: {
    /** Its host is sent, and its path is prepended to that of every method. */
    baseUrl: string;
    contentType: string;
    sendCompression: Compression | undefined;
    acceptCompression: readonly Compression[];
  }) {
    const { baseUrl, contentType, sendCompression, acceptCompression } = options;
    const { origin, host, pathname, protocol } = new URL(baseUrl);
    this.#origin = origin;
    this.#scheme = protocol.slice(0, -1);
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

  /** The target of requests for a method. */
  url(method: DescMethod): string {
    let url = this.#urls.get(method);
    if (url === undefined) {
      url = `${this.#origin}${this.#pathPrefix}/${method.parent.typeName}/${method.name}`;
      this.#urls.set(method, url);
    }
    return url;
  }

  /** The headers that interceptors see, and may change unless the protocol requires them. */
  forInterceptors(init: HeadersInit | undefined, timeoutMs: number | undefined): Headers {
    const headers = callHeaders(init);
    for (const [name, value] of Object.entries(this.#protocol)) {
      headers.set(name, value);
    }
    if (!headers.has("user-agent")) {
      headers.set("user-agent", userAgent);
    }
    if (timeoutMs !== undefined) {
      headers.set(headerTimeout, grpcTimeout(timeoutMs));
    }
    return headers;
  }

  /**
   * The headers sent with one attempt; `grpc-timeout`, which is only known when it is sent, is last.
   *
   * @throws ConnectError `InvalidArgument` when an interceptor sends the request to another server.
   */
  list(request: UnaryRequest): HeaderList {
    const { url } = request;
    const unread = unreadFields(request);
    if (unread === undefined) {
      // A wrong length, set by an interceptor, would break the connection with every call on it.
      const {
        [headerTimeout]: timeout,
        "content-length": _,
        ...own
      } = Object.fromEntries(request.header);
      for (const name in this.#protocol) {
        delete own[name];
      }
      return this.#assemble(url, own, timeout);
    }
    // The same for nearly all calls of a client.
    if (this.#last?.url !== url || this.#last.unread !== unread) {
      this.#last = { url, unread, list: this.#assemble(url, unread) };
    }
    return [...this.#last.list];
  }

  /** @param own names in lower case, except those of the protocol. */
  #assemble(url: string, own: HeaderFields, timeout = ""): HeaderList {
    const list = [
      ...[":method", "POST"],
      // Node would add the port even if it is the default, and ZITADEL selects its instance by this value.
      ...[":authority", this.#authority],
      ...[":scheme", this.#scheme],
      ...[":path", this.#path(url)],
    ];
    append(list, this.#protocol);
    if (own["user-agent"] === undefined) {
      list.push("user-agent", userAgent);
    }
    append(list, own);
    list.push(headerTimeout, timeout);
    return list;
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

function append(list: HeaderList, fields: HeaderFields): void {
  for (const name of Object.keys(fields)) {
    list.push(name, fields[name] ?? "");
  }
}
