import * as oauth from "oauth4webapi";
import { type Environment, readRetryAfterMs, withinTime } from "../common/time.js";
import { createMask, type Mask, secretsOf } from "../errors/mask.js";
import { own } from "../options/checker.js";
import { discard, isRedirect, noStore, readText } from "../transports/fetch/fetch.js";
import type { ServerClock } from "./clock.js";
import type { HeldToken } from "./source.js";
import { AttemptFailure, type CodeName, isTokenError, TokenError } from "./token-error.js";

/** What the exchanges of one token source have in common. */
export interface Channel {
  readonly environment: Environment;
  /** The caller's; undefined for the global one. */
  readonly fetch: typeof globalThis.fetch | undefined;
  /** Sent with each request, where `issuer` is not the instance's own domain. */
  readonly instanceHost?: string | undefined;
  /** Of a server that is sent assertions. */
  readonly clock?: ServerClock;
  /** A secret that requests carry in another form: errors must not show it either. */
  readonly secret?: string;
  /** What an error of `fetch` means. */
  explain(reason: unknown): Explanation;
}

export interface Explanation {
  readonly text: string;
  /** As of `AttemptFailure`. Default: infinite. */
  readonly maxAttempts?: number;
  /** Whether a TypeError is of the program's own `fetch`: platforms throw them when there is no network. */
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
  send: (http: HttpOptions) => Promise<Response>,
): Promise<Response> {
  const { environment, clock, instanceHost } = channel;
  let mask = createMask([]);
  let isPost = false;
  const failed = (text: string, code: CodeName, maxAttempts = Infinity) =>
    new AttemptFailure(
      new TokenError(`${what.step} at ${what.endpoint} ${foreignText(text, mask)}`, code),
      maxAttempts,
    );
  const call = async (url: string, request: SentRequest, within: AbortSignal) => {
    const { method, headers, body, redirect } = request;
    mask = createMask([channel.secret ?? "", ...secretsIn(request)]);
    isPost = body !== undefined;
    const init: RequestInit = {
      ...noStore(),
      method,
      headers: { ...headers, ...(instanceHost && { "x-zitadel-instance-host": instanceHost }) },
      ...(body && { body }),
      redirect,
      signal: within,
    };
    let response: Response;
    try {
      response = await (channel.fetch ?? globalThis.fetch)(url, own(init));
      if (typeof response?.headers?.get !== "function") {
        throw new Error("it returned no Response");
      }
      if (!isRedirect(response)) {
        return response;
      }
    } catch (reason) {
      throw isMistake(reason) || channel.explain(reason).isMistake
        ? failed(`was not sent: the option fetch failed by itself: ${reason}`, "internal", 1)
        : reason;
    }
    discard(response);
    const text = "got a redirect, which is not followed. Is issuer the instance's own origin?";
    throw failed(text, "unauthenticated", 1);
  };
  let response: Response;
  let body: string | undefined;
  try {
    [response, body] = await withinTime(
      environment,
      attemptTimeoutMs,
      signal,
      () =>
        failed(`got no response: none within ${attemptTimeoutMs / 1000} s`, "deadline_exceeded"),
      async (within) => {
        const received = await send(
          own({
            [oauth.customFetch]: (url, request) => call(url, request, within),
            // Endpoints are checked at discovery.
            [oauth.allowInsecureRequests]: true,
          }),
        );
        return [received, await readText(received, maxBytes)];
      },
    );
  } catch (reason) {
    if (signal.aborted || reason instanceof AttemptFailure || isTokenError(reason)) {
      throw reason;
    }
    const { text, maxAttempts } = channel.explain(reason);
    throw failed(text, "unavailable", maxAttempts);
  }
  const isOk = response.status === 200;
  const isCorrected = clock?.note(response.headers, isPost && !isOk) ?? false;
  if (!isOk) {
    throw rejection(channel, what, response, body ?? "", mask, isCorrected);
  }
  if (body === undefined) {
    throw unexpectedResponse(what, "more than 1 MiB");
  }
  const contentType = response.headers.get("content-type") ?? "";
  return new Response(body, { headers: { "content-type": contentType } });
}

/** Whether an error is neither of the network nor of an abort: the program's own `fetch` failed by itself. */
function isMistake(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    !(reason instanceof TypeError || "code" in reason || reason.cause !== undefined) &&
    !/^(?:Abort|Timeout|Network)/.test(reason.name)
  );
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
  const said = `HTTP ${status}${parsed === undefined ? "" : `, ${oauthErrorText(parsed, mask)}`}`;
  const known = Object.keys(causes).find((id) => id !== "" && description.startsWith(id));
  const isOutage = status === 429 || status >= 500;
  const isAmbiguous = status === 500 && error === "server_error" && error in causes;
  if (isOutage && !isAmbiguous && known === undefined) {
    const retryAfterMs = readRetryAfterMs(headers, environment.wallMs()) ?? 0;
    const wait = retryAfterMs > 0 ? `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s` : "";
    return new AttemptFailure(
      new TokenError(`${step} at ${endpoint} failed: ${said}${wait}`, "unavailable"),
      Infinity,
      retryAfterMs,
    );
  }
  const text = [
    `${step} at ${endpoint} was rejected: ${said}`,
    causes[known ?? error] ?? causes[""],
    clock?.complaint(),
  ];
  const maxAttempts = known === undefined && isAmbiguous ? few : 1;
  return new AttemptFailure(
    new TokenError(text.filter(Boolean).join(". "), "unauthenticated", {
      oauthError: foreignText(error, mask) || undefined,
    }),
    // With the server's time, an assertion may be accepted.
    isCorrected ? maxAttempts + 1 : maxAttempts,
  );
}

/** The tokens of a response: RFC 6749, section 5.1. */
export interface Tokens extends HeldToken {
  readonly refreshToken: string | undefined;
  readonly idToken: string | undefined;
  /** The user's id, of the ID token. */
  readonly subject: string | undefined;
}

/**
 * Requests tokens, and reads them.
 *
 * @param send sends the request with a function of oauth4webapi, and `read` reads its response with another.
 * @throws AttemptFailure when there are none, or the access token cannot be sent in a header.
 */
export async function requestTokens(
  channel: Channel,
  what: Exchange,
  signal: AbortSignal,
  send: (http: HttpOptions) => Promise<Response>,
  read: (response: Response, requestedAtMs: number) => Promise<oauth.TokenEndpointResponse>,
): Promise<Tokens> {
  const obtainedAtMs = channel.environment.wallMs();
  const response = await exchange(channel, what, signal, send);
  const tokens = await interpret(what, () => read(response, obtainedAtMs));
  const { access_token: token, token_type: type, expires_in: seconds } = tokens;
  // RFC 6750, section 2.1, limited to what a header can carry.
  if (type !== "bearer" || !/^[\x21-\x7e]+$/.test(token)) {
    throw unexpectedResponse(what, "its token is not a bearer token that a header can carry");
  }
  return {
    token,
    obtainedAtMs,
    durationMs: seconds === undefined ? undefined : seconds * 1000,
    refreshToken: tokens.refresh_token,
    idToken: tokens.id_token,
    subject: oauth.getValidatedIdTokenClaims(tokens)?.sub,
  };
}

/** The error for a response that violates the protocol. */
export function unexpectedResponse(
  { step, endpoint }: Pick<Exchange, "step" | "endpoint">,
  detail: string,
): AttemptFailure {
  return new AttemptFailure(
    new TokenError(
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

/** Reads an error response: RFC 6749, section 5.2. */
function parseOAuthError(body: string): { error: string; description?: string } | undefined {
  try {
    const { error, error_description: description } = JSON.parse(body);
    const isText = typeof description === "string";
    return typeof error === "string" ? { error, ...(isText && { description }) } : undefined;
  } catch {
    return undefined;
  }
}

/** "invalid_grant (invalid assertion)" */
export function oauthErrorText(
  { error, description }: { error: string; description?: string | undefined },
  mask?: Mask,
): string {
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

/** Documents and tokens are a few kilobytes. */
const maxBytes = 1024 * 1024;
