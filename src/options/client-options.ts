import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { NodeConnectOptions } from "./node-connect.js";
import type { RetryOptions } from "./retry.js";
import type { TokenSource } from "./token-source.js";

/** The options that every protocol has. Only `baseUrl` is required; `undefined` counts as not given. */
export interface CommonOptions {
  /**
   * Where ZITADEL is: absolute, `https:` (`http:` for this machine alone, unless `allowInsecure`),
   * without credentials, query or fragment. A path prefix is kept. ZITADEL picks its instance by the
   * host name, so this is the instance's domain: see `instanceHost` for where it cannot be.
   */
  baseUrl: string;
  /**
   * The bearer token of each call, without the word `Bearer`, or what returns one (see
   * `zitadel-user-grants/auth`). Calls carry no `authorization` header when it is not given.
   */
  token?: string | TokenSource | undefined;
  /**
   * The organization whose grants are meant: the header `x-zitadel-orgid` of each call. ZITADEL takes
   * the organization of the caller when it is not given. A header on a call wins; an empty one there
   * drops this one.
   */
  orgId?: string | undefined;
  /**
   * The public domain of the instance, where `baseUrl` is another address of it (from inside a
   * cluster, say): the header `x-zitadel-instance-host` of each call. Refused in a web page, where
   * ZITADEL's CORS rules would fail every call with it.
   */
  instanceHost?: string | undefined;
  /**
   * Milliseconds that a call has when it does not say `timeoutMs` itself, 0 to 2147483647; 0 for no
   * limit. Default 30000 (30 s). A call that takes longer ends as `DeadlineExceeded`.
   */
  defaultTimeoutMs?: number | undefined;
  /**
   * Makes calls again that failed for a passing reason and can be repeated, with true as `RetryOptions`
   * has for default. Default false: repeated is only what provably did not reach the server.
   */
  retry?: boolean | RetryOptions | undefined;
  /**
   * Connect interceptors, the first one outermost. They run outside of this package's own: they see
   * each call once, however often it is made, and no token.
   */
  interceptors?: Interceptor[] | undefined;
  /** Shows what goes over the wire, secrets masked: `debug` of `zitadel-user-grants/debug`. */
  debug?: Interceptor | undefined;
  /** Permits `http:` to other machines: tokens then travel readable by everyone between. Default false. */
  allowInsecure?: boolean | undefined;
  /** How JSON is read and written, as in Connect. */
  jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions> | undefined;
  /** Most bytes of an answer's message, 1 to 4294967295. Default 16777216 (16 MiB). Beyond: `ResourceExhausted`. */
  readMaxBytes?: number | undefined;
  /** Most bytes of a request's message, 1 to 4294967295. Default 4294967295. Beyond: `ResourceExhausted`, nothing is sent. */
  writeMaxBytes?: number | undefined;
}

/** What both protocols with protobuf messages take. */
export interface BinaryFormatOptions {
  /** Messages as protobuf (default) or as JSON. ZITADEL itself answers binary to either. */
  useBinaryFormat?: boolean | undefined;
  /** How binary messages are read and written, as in Connect. */
  binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
}

/** What the protocols over `fetch` take. */
export interface FetchOptions {
  /** Called in place of the global `fetch`, for a proxy or a private certificate authority, say. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** What the protocol takes that makes its own connections. */
export interface ConnectionOptions {
  /** Options of Node's `http2.connect`: `ca`, `cert`, `key`, `servername`, `createConnection`, … */
  nodeOptions?: NodeConnectOptions | undefined;
  /** Compressions offered for answers, most preferred first, as in Connect. Default gzip, then br. */
  acceptCompression?: Compression[] | undefined;
  /** Compression of requests, as in Connect. Default none. ZITADEL takes gzip. */
  sendCompression?: Compression | undefined;
  /** Smallest request message, in bytes, that is compressed. Default 1024. */
  compressMinBytes?: number | undefined;
  /**
   * Milliseconds between the pings of a connection with calls in flight. Default: no pings. Without them
   * too, a connection from which nothing came for 30 s, or for this long where it is less, has to answer a
   * ping before a call goes out on it.
   */
  pingIntervalMs?: number | undefined;
  /** Whether connections without calls are pinged too. Default false. */
  pingIdleConnection?: boolean | undefined;
  /** Milliseconds within which a ping must be answered. Default 15000. */
  pingTimeoutMs?: number | undefined;
  /** Milliseconds after its last call until a connection is closed. Default 900000 (15 min). */
  idleConnectionTimeoutMs?: number | undefined;
  /** Milliseconds that a connection may take to be made. Default 10000. */
  connectTimeoutMs?: number | undefined;
}

/** The options of native gRPC. */
export interface GrpcOptions extends CommonOptions, BinaryFormatOptions, ConnectionOptions {}

/** The options of gRPC-web. */
export interface GrpcWebOptions extends CommonOptions, BinaryFormatOptions, FetchOptions {}

/** The options of HTTP/JSON. */
export interface JsonOptions extends CommonOptions, FetchOptions {
  /**
   * What the routes of a service begin with, by its protobuf package: `{ "acme.v1": "/acme" }`. Default:
   * `/management/v1`, `/admin/v1`, `/auth/v1` and `/system/v1` for ZITADEL's v1 packages, nothing for
   * all others.
   */
  pathPrefixes?: Readonly<Record<string, string>> | undefined;
}

/** The options of the entry `.`: those of native gRPC count in Node, those of gRPC-web elsewhere. */
export interface ClientOptions extends GrpcOptions, GrpcWebOptions {}
