import { Code, ConnectError } from "@connectrpc/connect";
import { markNotProcessed, notProcessed } from "./not-processed.js";
import { refusedRedirect } from "./unexpected-answer.js";

/** A request as the transports over `fetch` make it. */
export interface GuardedRequest {
  url: string;
  method: string;
  header: Headers;
  signal: AbortSignal;
  body: Uint8Array<ArrayBuffer> | string | undefined;
}

/**
 * Calls `fetch` so that a token goes nowhere but to the address that was asked: redirects are refused.
 * They are taken as "manual" and refused here, since "error" is not to be had everywhere (workerd
 * refuses it).
 *
 * When no connection could be made, the server did nothing, and it is tried once more.
 *
 * @throws ConnectError `Unavailable` when there was no answer, `Unknown` for a redirect.
 */
export async function guardedFetch(
  fetch: typeof globalThis.fetch | undefined,
  request: GuardedRequest,
): Promise<Response> {
  const { url, method, header, signal, body } = request;
  // Looked up at each call, so that what replaces the global one later (a test, a tracer) counts.
  const send = () =>
    (fetch ?? globalThis.fetch)(url, {
      method,
      headers: header,
      signal,
      body: body ?? null,
      redirect: "manual",
    }).catch((reason) => {
      throw connectionError(reason, url, signal);
    });
  const response = await send().catch((error) => {
    if (notProcessed(error)) {
      return send();
    }
    throw error;
  });
  if (
    response.type === "opaqueredirect" ||
    // By a `fetch` of the caller's that follows them all the same.
    response.redirected ||
    (response.status >= 300 && response.status < 400 && response.status !== 304)
  ) {
    discard(response);
    throw refusedRedirect(response);
  }
  return response;
}

/** What a failed `fetch`, or a body that broke off, means: `Unavailable`, unless the call was over before. */
export function connectionError(reason: unknown, url: string, signal: AbortSignal): ConnectError {
  if (signal.aborted) {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  if (reason instanceof ConnectError) {
    return reason;
  }
  const inPage =
    typeof document === "undefined"
      ? ""
      : " In a web page, the browser's console says whether CORS rules were the cause.";
  const error = (carriedOut: string) =>
    new ConnectError(
      `no complete answer from ${new URL(url).host}: ${describe(reason)}. ${carriedOut}${inPage}`,
      Code.Unavailable,
      undefined,
      undefined,
      reason,
    );
  return /^(E(CONNREFUSED|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)|UND_ERR_CONNECT_TIMEOUT)$/.test(
    causeCode(reason),
  )
    ? markNotProcessed(error("No connection was made, so nothing was carried out."))
    : error("Whether the call was carried out is not known.");
}

/** Node names the cause of a failed `fetch`; browsers tell no program. */
function causeCode(reason: unknown): string {
  const { code } = ((reason as Error | undefined)?.cause ?? {}) as { code?: unknown };
  return String(code);
}

/** Node hides what happened ("connect ECONNREFUSED 127.0.0.1:1") in the cause of "fetch failed". */
function describe(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return String(reason);
  }
  const { cause } = reason;
  // A name with several addresses gives an AggregateError, which has a code and no message.
  return cause instanceof Error
    ? `${reason.message} (${cause.message || causeCode(reason)})`
    : reason.message;
}

/** Lets go of a body that nobody will read. */
export function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

/** The first characters of a body, for an error message. */
export async function readStart(response: Response, maxBytes = 1024): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    return "";
  }
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let bytes = 0; bytes < maxBytes; ) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      bytes += value.byteLength;
      text += decoder.decode(value.subarray(0, maxBytes), { stream: true });
    }
  } catch {
    // What was read before the connection broke is what there is to show.
  }
  reader.cancel().catch(() => undefined);
  return text;
}
