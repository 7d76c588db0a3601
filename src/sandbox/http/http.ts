import { posix } from "node:path";
import type { SandboxRequest } from "../options.js";

/** A request as seen by routes, independent of the HTTP version or memory transport. */
export interface HttpRequest {
  readonly method: string;
  /** Path without the query, percent-encoded as it was sent. */
  readonly path: string;
  /** The part after the `?`, or the empty string. */
  readonly query: string;
  readonly httpVersion: 1 | 2;
  /** The `Host` header or `:authority`. */
  readonly host: string;
  /** Names in lower case. Of a header that comes twice, the first value, as Go reads it. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborted when the client disconnects, or when the sandbox is closed. */
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. `content-length` is added. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  /** Sent after the body, over HTTP/2 only. */
  readonly trailers?: Readonly<Record<string, string>> | undefined;
  /** Sent like a stream: without `content-length`, and without `date`, which grpc-go leaves out. */
  readonly streamed?: true | undefined;
  /** The connection is reset instead of a response. */
  readonly lost?: true | undefined;
  /** For the log of requests, where it says more than the path and the status. */
  readonly summary?: SandboxRequest | undefined;
}

/**
 * One kind of endpoint: handles its own requests, and returns undefined for all others. `dispatch.ts` tries
 * the routes in order.
 */
export type Route = (
  request: HttpRequest,
) => HttpResponse | Promise<HttpResponse | undefined> | undefined;

/** The whole body, or undefined if it is longer than `maxBytes`. */
export async function readBody(
  request: HttpRequest,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > maxBytes) {
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** The response of Go's `http.Error`. */
export function plainTextError(status: number, text: string): HttpResponse {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: `${text}\n`,
  };
}

/** The path without them to which the server redirects one with empty or dot segments, encoded or not. */
export function redirectPath(path: string): string | undefined {
  const decoded = decodePath(path);
  if (decoded === undefined || !/\/\/|\/\.\.?(\/|$)/.test(decoded)) {
    return undefined;
  }
  return encodeURI(posix.normalize(decoded)).replace(/[?#]/g, encodeURIComponent);
}

/** Undefined for a path whose percent-encoding is invalid, or that is not UTF-8. */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/**
 * Counts requests: the requests of one second may come at once, and more as time passes.
 *
 * @returns whether one more is allowed.
 */
export function createRateLimit(requestsPerSecond: number, now: () => number): () => boolean {
  let left = requestsPerSecond;
  let sinceMs = now();
  return () => {
    const nowMs = now();
    left = Math.min(requestsPerSecond, left + ((nowMs - sinceMs) / 1000) * requestsPerSecond);
    sinceMs = nowMs;
    if (left < 1) {
      return false;
    }
    left -= 1;
    return true;
  };
}

/** The response of the proxy in front of ZITADEL Cloud, for every protocol. */
export const tooManyRequests = plainTextError(429, "429 Too Many Requests");
