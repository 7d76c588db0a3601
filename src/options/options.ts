import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  DescMethod,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import type { Code, Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Observer } from "../common/hooks.js";

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
   * Default false: only calls of which nothing was sent, or that the server rejected before it processed them,
   * are retried, once.
   */
  retry?: boolean | RetryOptions | undefined;
  /**
   * Connect interceptors, the first one outermost. They run outside this package's own interceptors:
   * they see each call once, however often it is retried. Of a unary call's header they see the fields that the
   * call was given: no token, and none that the protocol adds.
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

/** The argument of a token source. */
export interface TokenRequest {
  /** The token that the server has just rejected with UNAUTHENTICATED: do not return it again. */
  readonly refused?: string | undefined;
  /** Aborted when the call that needs the token settles: at its deadline, or when the caller aborts it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the bearer token for a call, without the word `Bearer`.
 *
 * It is called before each RPC, so it should cache its token until shortly before the token expires. If
 * the server rejects a token with UNAUTHENTICATED, the source is called again with the rejected token; if
 * it returns a different one, a unary call is retried once with it, within the time that is left.
 *
 * A `ConnectError` that it throws becomes the call's error; anything else becomes `Unauthenticated`.
 */
export type TokenSource = (request?: TokenRequest) => string | Promise<string>;

/**
 * How calls that failed transiently are retried: the retry design of gRPC
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md), with its names. Unary calls only.
 *
 * Idempotent methods are retried: `DeactivateUserGrant`, methods that declare an `idempotency_level`, and
 * those in `idempotentMethods`. Any other method, `BulkRemoveUserGrant` included, is retried only while
 * `mayHaveBeenApplied` is false for what has failed: if only a response was lost, a second removal would
 * report `NotFound` for a grant that the first one removed.
 *
 * After a lost response, a retried deactivation gets OK from ZITADEL v4 and later. Earlier versions
 * respond with `FailedPrecondition`, which `isGrantInactive` recognizes: the grant is inactive, because
 * of this call or of another.
 */
export interface RetryOptions {
  /** The maximum number of attempts of a call, the first included, 1 to 100. Default 5. */
  maxAttempts?: number | undefined;
  /** Milliseconds before the second attempt, with 20 % jitter, 1 to 2147483647. Default 200. */
  initialBackoffMs?: number | undefined;
  /** The maximum of milliseconds between two attempts, with 20 % jitter, 1 to 2147483647. Default 5000. */
  maxBackoffMs?: number | undefined;
  /** The factor by which the backoff grows with each attempt, 1 to 100. Default 2. */
  backoffMultiplier?: number | undefined;
  /** The codes on which a call is retried. Default `[Code.Unavailable]`. */
  retryableStatusCodes?: Code[] | undefined;
  /** More methods that are safe to execute twice. Default: no other methods. */
  idempotentMethods?: DescMethod[] | undefined;
  /**
   * The longest wait in milliseconds that the server may request, by `grpc-retry-pushback-ms` or
   * `Retry-After`, 0 to 2147483647. Default 60000 (1 min). A call that would wait longer fails at once.
   */
  maxRetryAfterMs?: number | undefined;
  /**
   * The retry budget of the whole client, 1 to 1000. Each failed attempt takes 1 token; once half of them
   * are gone, nothing is retried, so that a struggling server is not flooded. Default 10.
   */
  maxTokens?: number | undefined;
  /** The tokens that each successful call returns to the budget, 0.001 to 1000. Default 0.1. */
  tokenRatio?: number | undefined;
}

/**
 * The options of Node's `http2.connect` that matter to a client. They are written out because the types
 * of this package must load in browser projects, which lack the types of Node. Any other option of
 * `http2.SecureClientSessionOptions` is passed through.
 */
export interface NodeConnectOptions {
  /** Certificate authorities to trust instead of Node's own, PEM. */
  ca?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's certificate chain, PEM. */
  cert?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's private key, PEM. */
  key?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's key and certificate as PKCS#12. */
  pfx?: string | Uint8Array | undefined;
  /** The passphrase of `key` or `pfx`. */
  passphrase?: string | undefined;
  /**
   * The name that the server's certificate must have, if it is not the host of `baseUrl`. It takes the host's
   * place in requests as well (`:authority`, `host`), by which ZITADEL chooses the instance.
   */
  servername?: string | undefined;
  /**
   * Opens each connection, in place of TCP and a proxy: returns a socket, or the promise of one. For `https:`,
   * TLS is added unless the socket has it.
   */
  createConnection?: ((origin: URL, options: object) => unknown) | undefined;
  /** false accepts any certificate. Only for tests. */
  rejectUnauthorized?: boolean | undefined;
  [option: string]: unknown;
}
