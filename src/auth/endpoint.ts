import * as oauth from "oauth4webapi";
import { type Environment, readRetryAfterMs, withinTime } from "../common/time.js";
import { createMask, type Mask, secretsOf } from "../errors/mask.js";
import { own } from "../options/checker.js";
import { bodyChunks, discard, noStore } from "../transports/fetch/fetch.js";
import { retrying } from "./source.js";
import {
  AttemptFailure,
  type CodeName,
  isTokenError,
  type TokenError,
  tokenError,
} from "./token-error.js";

/** What the exchanges of one token source have in common. */
export interface Channel {
  readonly environment: Environment;
  /** The caller's; undefined for the global one. */
  readonly fetch: typeof globalThis.fetch | undefined;
  /** Sent with each request, where `issuer` is not the instance's own domain. */
  readonly instanceHost?: string | undefined;
  readonly allowInsecure?: boolean | undefined;
  /** Of a server that is sent assertions. */
  readonly clock?: ServerClock;
  /** What errors must not show, besides what a request shows itself. */
  secrets(): (string | undefined)[];
  /** What an error of `fetch` means. */
  explain(reason: unknown): Explanation;
}

/** The authorization server's time, as derived from its responses. */
export interface ServerClock {
  /** Milliseconds since the epoch, by the server's clock. */
  nowMs(): number;
  /**
   * Takes the time from the `Date` of a response, unless it may come from a cache: such a date is past. A much
   * earlier one is believed only of the rejection of a POST request, which no cache keeps.
   *
   * @returns whether it changed what is known.
   */
  note(headers: Headers, isRejection: boolean): boolean;
  /** "The clock of this machine is 70 s ahead of the server's"; undefined if the clock is right. */
  complaint(): string | undefined;
}

export interface Explanation {
  readonly text: string;
  /** As of `AttemptFailure`. Default: infinite. */
  readonly maxAttempts?: number;
  /** Whether the program's own `fetch` failed by a mistake in its code. */
  readonly isMistake?: boolean;
}

/** One request to the authorization server. */
export interface Exchange {
  /** For messages: "discovery", "token request". */
  readonly step: string;
  readonly endpoint: string;
  /**
   * The usual cause of a rejection, by its OAuth error or by the error that its description begins with; ""
   * for any other error. Where there is one for `server_error`, HTTP 500 with it can be a rejection.
   */
  readonly causes: Readonly<Record<string, string>>;
}

/** Options of the functions of oauth4webapi that send requests. */
export interface HttpOptions {
  [oauth.customFetch]: (url: string, request: SentRequest) => Promise<Response>;
  [oauth.allowInsecureRequests]: true;
}

/** A request as built by oauth4webapi. */
interface SentRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
  readonly redirect: "manual";
}

/** Time limit of one HTTP exchange: shorter than that of a call, so that a second exchange fits in it. */
const attemptTimeoutMs = 10_000;

/**
 * Sends one request and reads its response, within 10 s.
 *
 * @param send sends it with a function of oauth4webapi.
 * @returns a response with status 200.
 * @throws AttemptFailure when there was no response, or another one.
 */
export async function exchange(
  channel: Channel,
  what: Exchange,
  signal: AbortSignal,
  send: (options: HttpOptions) => Promise<Response>,
): Promise<Response> {
  const { environment, clock, instanceHost } = channel;
  const name = `${what.step} at ${what.endpoint}`;
  const known = channel.secrets().filter((secret) => secret !== undefined);
  let mask = createMask(known);
  const failed = (text: string, code: CodeName, maxAttempts: number, cause?: unknown) =>
    new AttemptFailure(tokenError(`${name} ${text}`, code, { cause }), maxAttempts);
  const timedOut = () =>
    failed(
      `got no response: none within ${attemptTimeoutMs / 1000} s`,
      "deadline_exceeded",
      Infinity,
    );
  const http: HttpOptions = {
    [oauth.customFetch]: async (url, request) => {
      mask = createMask([...known, ...secretsIn(request)]);
      const { method, headers, body, redirect } = request;
      isPost = body !== undefined;
      const init: RequestInit = {
        ...noStore(),
        method,
        headers: { ...headers, ...(instanceHost && { "x-zitadel-instance-host": instanceHost }) },
        ...(body && { body }),
        redirect,
        signal: inner,
      };
      let received: unknown;
      try {
        received = await (channel.fetch ?? globalThis.fetch)(url, own(init));
      } catch (reason) {
        throw channel.explain(reason).isMistake ? mistake(reason) : reason;
      }
      return isResponse(received) ? received : Promise.reject(mistake("it returned no Response"));
    },
    // Endpoints are checked at discovery.
    [oauth.allowInsecureRequests]: true,
  };
  const mistake = (reason: unknown) =>
    failed(
      `was not sent: the option fetch failed by itself: ${foreignText(String(reason), mask)}`,
      "internal",
      1,
    );
  let inner = signal;
  let isPost = false;
  let response: Response;
  let body: string | undefined;
  try {
    [response, body] = await withinTime(
      environment,
      attemptTimeoutMs,
      signal,
      timedOut,
      async (within) => {
        inner = within;
        const received = await send(own(http));
        if (isRedirect(received)) {
          discard(received);
          return [received, ""];
        }
        return [received, await readBody(received)];
      },
    );
  } catch (reason) {
    if (signal.aborted || reason instanceof AttemptFailure || isTokenError(reason)) {
      throw reason;
    }
    const { text, maxAttempts = Infinity } = channel.explain(reason);
    throw failed(foreignText(text, mask), "unavailable", maxAttempts);
  }
  if (isRedirect(response)) {
    throw failed(
      "got a redirect, which is not followed. Is issuer the instance's own origin?",
      "unauthenticated",
      1,
    );
  }
  const { status, headers } = response;
  if (status !== 200) {
    const isCorrected = clock?.note(headers, isPost) ?? false;
    throw rejection(channel, what, response, body ?? "", mask, isCorrected);
  }
  clock?.note(headers, false);
  if (body === undefined) {
    throw unexpectedResponse(what, "more than 1 MiB");
  }
  return new Response(body, { headers: { "content-type": headers.get("content-type") ?? "" } });
}

/** How often a request is made that hardly succeeds later, as far as its failure tells. */
export const few = 4;

/** The error for a status that is not 200. */
function rejection(
  { environment, clock }: Channel,
  { step, endpoint, causes }: Exchange,
  { status, headers }: Response,
  body: string,
  mask: Mask,
  isCorrected: boolean,
): AttemptFailure {
  const parsed = parseOAuthError(body);
  const { error = "", description = "" } = parsed ?? {};
  const isOutage = status === 429 || status >= 500;
  const known = Object.keys(causes).find((id) => id !== "" && description.startsWith(id));
  const ambiguous =
    isOutage && status === 500 && "server_error" in causes && error === "server_error";
  const hint = causes[known ?? error] ?? (isOutage ? undefined : causes[""]);
  const said = `HTTP ${status}${parsed === undefined ? "" : `, ${oauthErrorText(parsed, mask)}`}`;
  const retryAfterMs = isOutage
    ? (readRetryAfterMs(headers, clock?.nowMs() ?? environment.wallMs()) ?? 0)
    : 0;
  const wait = retryAfterMs > 0 ? `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s` : "";
  const isFinal = !isOutage || ambiguous || known !== undefined;
  const text = [
    `${step} at ${endpoint} ${isOutage ? "failed" : "was rejected"}: ${said}${wait}`,
    ...(isFinal ? [hint, clock?.complaint()] : []),
  ];
  return new AttemptFailure(
    tokenError(
      text.filter(Boolean).join(". "),
      isFinal ? "unauthenticated" : "unavailable",
      isFinal ? { oauthError: foreignText(error, mask) || undefined } : {},
    ),
    !isFinal ? Infinity : known ? 1 : ambiguous ? few : isCorrected ? 2 : 1,
    retryAfterMs,
  );
}

/** Retries for this long, then fails with the last error. */
export async function retryingFor<T>(
  environment: Environment,
  timeoutMs: number,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = environment.setTimer(() => controller.abort(), timeoutMs);
  let last: TokenError | undefined;
  try {
    return await retrying(
      environment,
      signal,
      () => attempt(signal),
      ({ error }) => {
        last = error;
      },
    );
  } catch (reason) {
    throw reason instanceof AttemptFailure
      ? reason.error
      : signal.aborted
        ? (last ?? reason)
        : reason;
  } finally {
    cancel();
  }
}

/** The error for a response that violates the protocol. */
export function unexpectedResponse(
  { step, endpoint }: Pick<Exchange, "step" | "endpoint">,
  detail: string,
): AttemptFailure {
  return new AttemptFailure(
    tokenError(
      `${step} at ${endpoint} got an unexpected response: ${detail}. Is issuer the origin of a ZITADEL instance, and is there a proxy in between?`,
      "unauthenticated",
    ),
    1,
  );
}

/**
 * Runs oauth4webapi's parser on a response. The causes of its errors hold the whole response, tokens
 * included, so only the message is kept: messages are fixed texts.
 */
export async function interpret<T>(what: Exchange, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (reason) {
    if (reason instanceof AttemptFailure || isTokenError(reason)) {
      throw reason;
    }
    throw unexpectedResponse(what, reason instanceof Error ? reason.message : "unreadable");
  }
}

/**
 * The bearer token of a token response.
 *
 * @throws AttemptFailure for a token that cannot be sent in a header.
 */
export function bearerToken(what: Exchange, response: oauth.TokenEndpointResponse): string {
  // RFC 6750, section 2.1, limited to what a header can carry.
  if (response.token_type !== "bearer" || !/^[\x21-\x7e]+$/.test(response.access_token)) {
    throw unexpectedResponse(what, "its token is not a bearer token that a header can carry");
  }
  return response.access_token;
}

/** An error response (RFC 6749, section 5.2). */
interface OAuthError {
  readonly error: string;
  readonly description?: string | undefined;
}

function parseOAuthError(body: string): OAuthError | undefined {
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

const maxCharacters = 300;

/** Makes foreign text fit for a message: no secret in it, on one line, not too long. */
export function foreignText(text: string, mask?: Mask): string {
  const clean = (mask?.text(text) ?? text).replace(/[\p{C}\s]+/gu, " ").trim();
  return clean.length > maxCharacters ? `${clean.slice(0, maxCharacters)}…` : clean;
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

/** In a browser, a redirect that is not followed has status 0 and no other information. */
function isRedirect({ redirected, status, type }: Response): boolean {
  return redirected || type === "opaqueredirect" || (status >= 300 && status < 400);
}

/** Of any library: node-fetch and others have classes of their own. */
function isResponse(value: unknown): value is Response {
  const { status, headers } = (value ?? {}) as Partial<Response>;
  return typeof status === "number" && typeof headers?.get === "function";
}

/** Documents and tokens are a few kilobytes. */
const maxBytes = 1024 * 1024;

/**
 * Reads a body as text, up to 1 MiB after decompression; undefined for a longer one, which is not read to its
 * end.
 */
async function readBody(response: Response): Promise<string | undefined> {
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
