import { Code } from "@connectrpc/connect";
import type { TokenEndpointResponse } from "oauth4webapi";
import * as oauth from "oauth4webapi";
import { readRetryAfterMs } from "../common/retry-after.js";
import { withinTime } from "../common/time-limit.js";
import { createMask, type Mask, secretsOf } from "../errors/mask.js";
import { own } from "../options/checker.js";
import { bodyChunks, discard } from "../transports/fetch/body.js";
import { type Channel, keepSecret, readDateMs } from "./channel.js";
import { isTokenError, TransientFailure, tokenError } from "./token-error.js";

/** Time limit of one HTTP exchange: shorter than that of a call, so that a second exchange fits in it. */
const attemptTimeoutMs = 10_000;

/** One request to the authorization server. */
export interface Exchange {
  /** For messages: "discovery", "token request". */
  readonly step: string;
  readonly endpoint: string;
  /** The usual cause of a rejection, by its OAuth error; "" for any other error. */
  readonly causes: Readonly<Record<string, string>>;
}

/** A request as built by oauth4webapi. */
interface SentRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
  readonly redirect: "manual";
}

/** Options of the functions of oauth4webapi that send requests. */
export interface HttpOptions {
  [oauth.customFetch]: (url: string, request: SentRequest) => Promise<Response>;
  [oauth.allowInsecureRequests]: true;
}

/**
 * Sends one request and reads its response, within 10 s.
 *
 * @param send sends it with a function of oauth4webapi.
 * @returns a response with status 200.
 * @throws TransientFailure when the same request may succeed later: no response, 429, 5xx.
 * @throws the error of `tokenError` when it was rejected; the signal's reason when the signal was aborted.
 */
export async function exchange(
  channel: Channel,
  what: Exchange,
  signal: AbortSignal,
  send: (options: HttpOptions) => Promise<Response>,
): Promise<Response> {
  signal.throwIfAborted();
  const { environment, clock, instanceHost, secrets } = channel;
  const name = `${what.step} at ${what.endpoint}`;
  const noResponse = (detail: string, code = Code.Unavailable) =>
    new TransientFailure(
      tokenError(`${name} got no response: ${foreignText(detail, createMask(secrets))}`, code),
    );
  const timedOut = () =>
    noResponse(`none within ${attemptTimeoutMs / 1000} s`, Code.DeadlineExceeded);
  let response: Response;
  let body: string | undefined;
  try {
    [response, body] = await withinTime(
      environment,
      attemptTimeoutMs,
      signal,
      timedOut,
      async (inner) => {
        const http: HttpOptions = {
          [oauth.customFetch]: (url, request) => {
            keepSecret(channel, ...secretsIn(request));
            const { method, body, redirect } = request;
            const headers = {
              ...request.headers,
              ...(instanceHost && { "x-zitadel-instance-host": instanceHost }),
            };
            const init: RequestInit = {
              method,
              headers,
              ...(body && { body }),
              redirect,
              signal: inner,
            };
            return (channel.fetch ?? globalThis.fetch)(url, own(init));
          },
          // Endpoints are checked at discovery, where only loopback may be without TLS.
          [oauth.allowInsecureRequests]: true,
        };
        const received = await send(own(http));
        clock.note(readDateMs(received.headers));
        if (isRedirect(received)) {
          discard(received);
          return [received, ""];
        }
        return [received, await readBody(received)];
      },
    );
  } catch (reason) {
    if (signal.aborted || reason instanceof TransientFailure || isTokenError(reason)) {
      throw reason;
    }
    if (isCertificateProblem(reason)) {
      throw tokenError(
        `${name} was not sent: ${foreignText(describeFailure(reason), createMask(secrets))}. Trust the authority that signed the certificate of this server (NODE_EXTRA_CA_CERTS, or the option fetch)`,
        Code.Unavailable,
      );
    }
    throw noResponse(describeFailure(reason));
  }
  if (isRedirect(response)) {
    throw tokenError(
      `${name} got a redirect, which is not followed, since it may lead anywhere. Is issuer the instance's own origin?`,
      Code.Unauthenticated,
    );
  }
  const { status, headers } = response;
  if (status !== 200) {
    throw rejection(channel, what, response, body ?? "", createMask(secrets));
  }
  if (body === undefined) {
    throw unexpectedResponse(what, "more than 1 MiB");
  }
  return new Response(body, { headers: { "content-type": headers.get("content-type") ?? "" } });
}

/** The error for a status that is not 200. */
function rejection(
  { environment, clock }: Channel,
  { step, endpoint, causes }: Exchange,
  { status, headers }: Response,
  body: string,
  mask: Mask,
): Error {
  const parsed = parseOAuthError(body);
  const said = `HTTP ${status}${parsed === undefined ? "" : `, ${oauthErrorText(parsed, mask)}`}`;
  if (status === 429 || status >= 500) {
    const retryAfterMs = readRetryAfterMs(headers, environment.wallMs() + clock.offsetMs()) ?? 0;
    const wait = retryAfterMs > 0 ? `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s` : "";
    return new TransientFailure(
      tokenError(`${step} at ${endpoint} failed: ${said}${wait}`, Code.Unavailable),
      retryAfterMs,
    );
  }
  const oauthError = parsed?.error;
  const hints = [causes[oauthError ?? ""] ?? causes[""], clock.complaint()].filter(Boolean);
  return tokenError(
    [`${step} at ${endpoint} was rejected: ${said}`, ...hints].join(". "),
    Code.Unauthenticated,
    { oauthError: oauthError && foreignText(oauthError, mask) },
  );
}

/** In a browser, a redirect that is not followed has status 0 and no other information. */
function isRedirect({ redirected, status, type }: Response): boolean {
  return redirected || type === "opaqueredirect" || (status >= 300 && status < 400);
}

const secretParameters = [
  "assertion",
  "client_secret",
  "code",
  "code_verifier",
  "refresh_token",
  "token",
];

/** Secrets of a request, which an error must not show. */
function secretsIn({ body, headers }: SentRequest): string[] {
  const parameters = secretParameters.map((name) => body?.get(name) ?? "");
  return [...parameters, ...secretsOf(Object.entries(headers))];
}

/** The request, and the server it was sent to. */
interface Asked {
  readonly step: string;
  readonly endpoint: string;
}

/** The error for a response that violates the protocol. */
export function unexpectedResponse({ step, endpoint }: Asked, detail: string): Error {
  return tokenError(
    `${step} at ${endpoint} got an unexpected response: ${detail}. Is issuer the origin of a ZITADEL instance, and is there a proxy in between?`,
    Code.Unauthenticated,
  );
}

/**
 * Runs oauth4webapi's parser on a response. The causes of its errors hold the whole response, tokens
 * included, so only the message is kept: messages are fixed texts.
 */
export async function interpret<T>(asked: Asked, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (reason) {
    throw isTokenError(reason) ? reason : unexpectedResponse(asked, describe(reason));
  }
}

/** The library's message, and the values compared. */
function describe(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "unreadable";
  }
  const { claim } = (reason.cause ?? {}) as { claim?: unknown };
  const clock = claim === "exp" || claim === "nbf" ? " (is the clock of this machine right?)" : "";
  return `${reason.message}${clock}`;
}

/** An error response (RFC 6749, section 5.2). */
export interface OAuthError {
  readonly error: string;
  readonly description: string | undefined;
}

export function parseOAuthError(body: string): OAuthError | undefined {
  try {
    const { error, error_description: description } = JSON.parse(body);
    return typeof error === "string"
      ? { error, description: typeof description === "string" ? description : undefined }
      : undefined;
  } catch {
    return undefined;
  }
}

/** "invalid_grant (invalid assertion)" */
export function oauthErrorText({ error, description }: OAuthError, mask?: Mask): string {
  return foreignText(description === undefined ? error : `${error} (${description})`, mask);
}

/** Documents and tokens are a few kilobytes. */
const maxBytes = 1024 * 1024;

/**
 * Reads a body as text, up to 1 MiB after decompression; undefined for a longer one, which is not read to its
 * end.
 */
export async function readBody(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of bodyChunks(response)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      return undefined;
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The message of a failed fetch, and that of its cause, where Node puts the system's error. */
export function describeFailure(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "fetch failed";
  }
  const { cause } = reason;
  const detail = cause instanceof Error ? cause.message || errorCode(cause) : "";
  return detail ? `${reason.message}: ${detail}` : reason.message;
}

/** No retry makes a certificate valid. The codes are those of Node and OpenSSL. */
export function isCertificateProblem(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|TLS_CERT/.test(errorCode(reason.cause))
  );
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? "");
}

const maxCharacters = 300;

/** Makes foreign text fit for a message: no secret in it, on one line, not too long. */
export function foreignText(text: string, mask?: Mask): string {
  const clean = (mask?.text(text) ?? text).replace(/[\p{C}\s]+/gu, " ").trim();
  return clean.length > maxCharacters ? `${clean.slice(0, maxCharacters)}…` : clean;
}

/**
 * The bearer token of a token response.
 *
 * @throws the error of `tokenError` for a token that cannot be sent in a header.
 */
export function bearerToken(what: Exchange, response: TokenEndpointResponse): string {
  if (response.token_type !== "bearer") {
    throw unexpectedResponse(what, "its token is not a bearer token");
  }
  // RFC 6750, section 2.1, limited to what a header can carry.
  if (!/^[\x21-\x7e]+$/.test(response.access_token)) {
    throw unexpectedResponse(what, "its token has characters that are not allowed in a header");
  }
  return response.access_token;
}
