import { Code } from "@connectrpc/connect";
import * as oauth from "oauth4webapi";
import type { Environment } from "../tokens/environment.js";
import { isTokenError, TransientFailure, tokenError } from "../tokens/token-error.js";

/** Longest that one HTTP exchange may take: shorter than a call, so that a second one fits in it. */
const attemptTimeoutMs = 10_000;

/** What the exchanges of one token source have in common. */
export interface Channel {
  readonly environment: Environment;
  /** The caller's; undefined for the global one. */
  readonly fetch: typeof globalThis.fetch | undefined;
}

/** One request to the authorization server. */
export interface Exchange {
  /** For messages: "discovery", "token request". */
  readonly step: string;
  readonly endpoint: string;
  /** What usually causes a refusal, after the OAuth error that it comes with; "" for any other. */
  readonly causes: Readonly<Record<string, string>>;
  /** Secrets that an answer could repeat in a form that the request does not have. */
  readonly secrets?: readonly string[] | undefined;
}

/** A request as oauth4webapi makes it. */
interface SentRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
  readonly redirect: "manual";
}

/** What the functions of oauth4webapi that send requests take. */
export interface HttpOptions {
  [oauth.customFetch]: (url: string, request: SentRequest) => Promise<Response>;
  [oauth.allowInsecureRequests]: true;
}

/**
 * Sends one request and reads its answer, within 10 s.
 *
 * @param send sends it with a function of oauth4webapi.
 * @returns an answer with status 200.
 * @throws TransientFailure when the same request may succeed later: no answer, 429, 5xx.
 * @throws what `tokenError` makes when it was refused; the signal's reason when that was aborted.
 */
export async function exchange(
  channel: Channel,
  what: Exchange,
  signal: AbortSignal,
  send: (options: HttpOptions) => Promise<Response>,
): Promise<Response> {
  signal.throwIfAborted();
  const secrets = new Set(what.secrets);
  const name = `${what.step} at ${what.endpoint}`;
  const noAnswer = (detail: string, code = Code.Unavailable) =>
    new TransientFailure(tokenError(`${name} got no answer: ${redact(detail, secrets)}`, code));
  let response: Response;
  let body: string;
  try {
    [response, body] = await within(channel.environment, signal, noAnswer, async (inner) => {
      const answer = await send({
        [oauth.customFetch]: (url, request) => {
          collectSecrets(request, secrets);
          const { method, headers, body, redirect } = request;
          return (channel.fetch ?? globalThis.fetch)(url, {
            method,
            headers,
            ...(body && { body }),
            redirect,
            signal: inner,
          });
        },
        // Endpoints are checked at discovery, where loopback alone may be without TLS.
        [oauth.allowInsecureRequests]: true,
      });
      return [answer, isRedirect(answer) ? "" : await answer.text()];
    });
  } catch (reason) {
    if (signal.aborted || reason instanceof TransientFailure || isTokenError(reason)) {
      throw reason;
    }
    if (isCertificateProblem(reason)) {
      throw tokenError(
        `${name} was not sent: ${redact(describe(reason), secrets)}. Trust the authority that signed the certificate of this server (NODE_EXTRA_CA_CERTS, or the option fetch)`,
        Code.Unavailable,
      );
    }
    throw noAnswer(describe(reason));
  }
  const { status } = response;
  if (isRedirect(response)) {
    throw tokenError(
      `${name} was answered with a redirect, which is not followed, since it may lead anywhere. Is issuer the instance's own origin?`,
      Code.Unauthenticated,
    );
  }
  if (status === 429 || status >= 500) {
    const retryAfterMs = readRetryAfter(response.headers, channel.environment.wallMs());
    const wait = retryAfterMs > 0 ? `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s` : "";
    throw new TransientFailure(
      tokenError(
        `${name} failed: HTTP ${status}${oauthErrorText(body, secrets)}${wait}`,
        Code.Unavailable,
      ),
      retryAfterMs,
    );
  }
  if (status !== 200) {
    throw refusal(what, name, status, body, secrets);
  }
  return new Response(body, { headers: { "content-type": contentType(response) } });
}

/**
 * Has an answer read by oauth4webapi. Its own errors hold the whole answer as cause, tokens included,
 * so nothing but their message goes on: those messages are fixed texts.
 */
export async function interpret<T>(what: Exchange, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (reason) {
    throw isTokenError(reason) ? reason : nonsense(what, describeShape(reason));
  }
}

/** An answer that is not what the protocol says. */
export function nonsense(what: Exchange, detail: string): Error {
  return tokenError(
    `${what.step} at ${what.endpoint} was answered with something else than expected: ${detail}. Is issuer the origin of a ZITADEL instance, and is there a proxy in between?`,
    Code.Unauthenticated,
  );
}

function refusal(
  what: Exchange,
  name: string,
  status: number,
  body: string,
  secrets: Iterable<string>,
): Error {
  const error = parseOauthError(body)?.error;
  const cause = what.causes[error ?? ""] ?? what.causes[""];
  return tokenError(
    `${name} was refused: HTTP ${status}${oauthErrorText(body, secrets)}${cause === undefined ? "" : `. ${cause}`}`,
    Code.Unauthenticated,
    { oauthError: error === undefined ? undefined : redact(error, secrets) },
  );
}

/** Runs something that may take 10 s, whether or not it heeds its signal. */
async function within<T>(
  environment: Environment,
  outer: AbortSignal,
  timeoutError: (detail: string, code: Code) => Error,
  run: (inner: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let release = () => {};
  const ended = new Promise<never>((_, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      controller.abort(reason);
    };
    const onAbort = () => end(outer.reason);
    const cancel = environment.setTimer(
      () => end(timeoutError(`none within ${attemptTimeoutMs / 1000} s`, Code.DeadlineExceeded)),
      attemptTimeoutMs,
    );
    outer.addEventListener("abort", onAbort, { once: true });
    release = () => {
      cancel();
      outer.removeEventListener("abort", onAbort);
    };
    if (outer.aborted) {
      onAbort();
    }
  });
  try {
    return await Promise.race([ended, run(controller.signal)]);
  } finally {
    release();
  }
}

/** In a browser, a redirect that is not followed has status 0 and tells nothing. */
function isRedirect(response: Response): boolean {
  const { status, type } = response;
  return response.redirected || type === "opaqueredirect" || (status >= 300 && status < 400);
}

const secretParameters = [
  "assertion",
  "client_secret",
  "code",
  "code_verifier",
  "refresh_token",
  "token",
];

/** Notes what a request carries that an error must not show, in the forms in which it travels. */
function collectSecrets({ body, headers }: SentRequest, secrets: Set<string>): void {
  for (const name of secretParameters) {
    const value = body?.get(name);
    if (value) {
      secrets.add(value).add(encodeURIComponent(value));
    }
  }
  const { authorization } = headers;
  if (authorization !== undefined) {
    secrets.add(authorization.slice(authorization.indexOf(" ") + 1));
  }
}

/** Makes foreign text fit for a message: one line, not too long, none of the secrets in it. */
export function redact(foreign: string, secrets: Iterable<string>): string {
  let clean = foreign;
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, "<redacted>");
  }
  clean = clean.replace(/[\p{C}\s]+/gu, " ").trim();
  return clean.length > 300 ? `${clean.slice(0, 300)}…` : clean;
}

function oauthErrorText(body: string, secrets: Iterable<string>): string {
  const parsed = parseOauthError(body);
  if (parsed === undefined) {
    return "";
  }
  const description = parsed.description === undefined ? "" : ` (${parsed.description})`;
  return `, ${redact(parsed.error + description, secrets)}`;
}

/** An error answer as in RFC 6749, section 5.2. */
function parseOauthError(
  body: string,
): { error: string; description: string | undefined } | undefined {
  try {
    const { error, error_description: description } = JSON.parse(body);
    return typeof error === "string"
      ? { error, description: typeof description === "string" ? description : undefined }
      : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function readRetryAfter(headers: Headers, wallMs: number): number {
  const value = headers.get("retry-after") ?? "";
  const delayMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallMs;
  // Not a number where there is no such header.
  return Math.max(0, delayMs || 0);
}

function contentType(response: Response): string {
  return response.headers.get("content-type") ?? "";
}

/** What a failed fetch says: the message, and that of its cause, where Node puts the system's error. */
function describe(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "fetch failed";
  }
  const { cause } = reason;
  const detail = cause instanceof Error ? cause.message || errorCode(cause) : "";
  return detail ? `${reason.message}: ${detail}` : reason.message;
}

/** Trying again makes no certificate valid. The codes are those of Node and OpenSSL. */
function isCertificateProblem(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|TLS_CERT/.test(errorCode(reason.cause))
  );
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? "");
}

/** The library's own words, and what was compared; never its cause, which holds the answer. */
function describeShape(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "an unreadable answer";
  }
  const { claim } = (reason.cause ?? {}) as { claim?: unknown };
  const clock = claim === "exp" || claim === "nbf" ? " (is the clock of this machine right?)" : "";
  return `${reason.message}${clock}`;
}
