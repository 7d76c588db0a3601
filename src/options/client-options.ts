import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Observer } from "../common/observer.js";
import type { NodeConnectOptions } from "./node-connect.js";
import type { RetryOptions } from "./retry.js";
import type { TokenSource } from "./token-source.js";

/** The options that every protocol has. Only `baseUrl` is required; `undefined` counts as not given. */
export interface CommonOptions {
  /**
   * The URL of the ZITADEL instance: absolute, `https:` (`http:` only for loopback addresses, unless
   * `allowInsecure` is set), without credentials, query or fragment. A path prefix is kept. ZITADEL
   * selects the instance by host name, so use the instance's domain here, or set `instanceHost`.
   */
  baseUrl: string;
  /**
   * The bearer token of each call, without the word `Bearer`, or a token source that returns one (see
   * `zitadel-user-grants/auth`). Without it, calls carry no `authorization` header.
   */
  token?: string | TokenSource | undefined;
  /**
   * The organization that owns the grants, sent as `x-zitadel-orgid` with each call. Default: ZITADEL
   * uses the organization of the caller. A header on a call takes precedence; an empty one there
   * removes the header.
   */
  orgId?: string | undefined;
  /**
   * The public domain of the instance, for when `baseUrl` is another address of it (inside a cluster,
   * for example), sent as `x-zitadel-instance-host` with each call. Not allowed in a web page, where
   * ZITADEL's CORS rules reject the header.
   */
  instanceHost?: string | undefined;
  /**
   * The deadline of calls that set no `timeoutMs` of their own, in milliseconds, 0 to 2147483647; 0 means no
   * deadline. Default 30000 (30 s). A call that takes longer fails with `DeadlineExceeded`.
   */
  defaultTimeoutMs?: number | undefined;
  /**
   * Retries idempotent calls that failed transiently; `true` for the defaults of `RetryOptions`.
   * Default false: only calls of which nothing was sent, or that the server refused before it took them, are
   * sent once more.
   */
  retry?: boolean | RetryOptions | undefined;
  /**
   * Connect interceptors, the first one outermost. They run outside this package's own interceptors:
   * they see each call once, however often it is retried, and they see no token.
   */
  interceptors?: Interceptor[] | undefined;
  /** Reports requests and responses, with secrets masked: `debug` of `zitadel-user-grants/debug`. */
  debug?: Observer | undefined;
  /** Allows `http:` to other machines: anyone on the network path can then read the tokens. Default false. */
  allowInsecure?: boolean | undefined;
  /** Options for reading and writing JSON, as in Connect. */
  jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions> | undefined;
  /** The largest response message in bytes, 1 to 4294967295. Default 16777216 (16 MiB). Larger ones fail with `ResourceExhausted`. */
  readMaxBytes?: number | undefined;
  /** The largest request message in bytes, 1 to 4294967295. Default 4294967295. Larger ones fail with `ResourceExhausted` before anything is sent. */
  writeMaxBytes?: number | undefined;
}

/** Options of the two protocols with protobuf messages. */
export interface BinaryFormatOptions {
  /** Sends messages as protobuf (true, the default) or as JSON. ZITADEL responds with protobuf to both. */
  useBinaryFormat?: boolean | undefined;
  /** Options for reading and writing binary messages, as in Connect. */
  binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
}

/** Options of the protocols over `fetch`. */
export interface FetchOptions {
  /** Used instead of the global `fetch`, for example for a proxy or a private certificate authority. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** Options of native gRPC, which opens its own connections. */
export interface ConnectionOptions {
  /** Options of Node's `http2.connect`: `ca`, `cert`, `key`, `servername`, `createConnection`, … */
  nodeOptions?: NodeConnectOptions | undefined;
  /** Compressions accepted for responses, most preferred first, as in Connect. Default gzip, then br. */
  acceptCompression?: Compression[] | undefined;
  /** Compression of requests, as in Connect. Default: no compression. ZITADEL accepts gzip. */
  sendCompression?: Compression | undefined;
  /** The smallest request message that is compressed, in bytes. Default 1024. */
  compressMinBytes?: number | undefined;
  /**
   * Milliseconds between keep-alive pings on a connection with calls in flight. Default: no pings. In
   * either case, a connection that was silent for 30 s (or for this long, if it is less) is verified
   * with a ping before a call uses it.
   */
  pingIntervalMs?: number | undefined;
  /** Also pings connections without calls. Default false. */
  pingIdleConnection?: boolean | undefined;
  /** Milliseconds to wait for the response to a ping. Default 15000. */
  pingTimeoutMs?: number | undefined;
  /** Milliseconds after its last call until an idle connection is closed. Default 900000 (15 min). */
  idleConnectionTimeoutMs?: number | undefined;
  /** Milliseconds to wait for a connection to be established. Default 10000. */
  connectTimeoutMs?: number | undefined;
}

/** The options of native gRPC. */
export interface GrpcOptions extends CommonOptions, BinaryFormatOptions, ConnectionOptions {}

/** The options of gRPC-web. */
export interface GrpcWebOptions extends CommonOptions, BinaryFormatOptions, FetchOptions {}

/** The options of HTTP/JSON. */
export interface JsonOptions extends CommonOptions, FetchOptions {
  /**
   * The path prefix of a service's routes, by protobuf package: `{ "acme.v1": "/acme" }`. Default:
   * `/management/v1`, `/admin/v1`, `/auth/v1` and `/system/v1` for ZITADEL's v1 packages, no prefix for all
   * others.
   */
  pathPrefixes?: Readonly<Record<string, string>> | undefined;
}

/** The options of the entry `.`: those of native gRPC apply in Node, those of gRPC-web elsewhere. */
export interface ClientOptions extends GrpcOptions, GrpcWebOptions {}
