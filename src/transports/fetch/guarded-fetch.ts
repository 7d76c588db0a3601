import { Code, ConnectError } from "@connectrpc/connect";
import { markNotProcessed, notProcessed } from "../../errors/not-processed.js";
import { refusedRedirect, unknownOutcome } from "../call/unexpected-response.js";
import { discard } from "./body.js";
import { neverConnected } from "./never-connected.js";

/** A request as the transports over `fetch` make it. */
export interface GuardedRequest {
  url: string;
  method: string;
  header: Headers;
  signal: AbortSignal;
  body: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Calls `fetch` so that a token goes nowhere but to the address that was asked: redirects are refused.
 * They are taken as "manual" and refused here, since "error" is not to be had everywhere (workerd
 * refuses it).
 *
 * When no connection could be made, the server did nothing, and the request is retried once.
 *
 * @throws ConnectError `Unavailable` when there was no response, `Unknown` for a redirect.
 */
export async function guardedFetch(
  fetch: typeof globalThis.fetch | undefined,
  request: GuardedRequest,
): Promise<Response> {
  const { url, method, header, signal, body } = request;
  // Looked up at each call, so that what replaces the global one later (a test, a tracer) counts.
  const send = async () => {
    try {
      return await (fetch ?? globalThis.fetch)(url, {
        method,
        headers: header,
        signal,
        body: body ?? null,
        redirect: "manual",
      });
    } catch (reason) {
      throw connectionError(reason, url, signal, neverConnected(reason));
    }
  };
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

/**
 * What a failed `fetch`, or a body that broke off, means: `Unavailable`, unless the call was over before.
 *
 * @param isUnsent whether it is certain that the server got nothing.
 */
export function connectionError(
  reason: unknown,
  url: string,
  signal: AbortSignal,
  isUnsent = false,
): ConnectError {
  if (signal.aborted) {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  if (reason instanceof ConnectError) {
    return reason;
  }
  const { cause } = (reason ?? {}) as { cause?: { code?: unknown; message?: unknown } };
  // Node hides what happened ("connect ECONNREFUSED 127.0.0.1:1") in the cause of "fetch failed", and in
  // its code where a name has several addresses. Browsers tell no program.
  const why = cause?.message || cause?.code;
  const error = new ConnectError(
    [
      `no complete response from ${new URL(url).host}: ${reason instanceof Error ? reason.message : String(reason)}`,
      why ? ` (${why}). ` : ". ",
      isUnsent ? "No connection was made, so nothing was carried out." : unknownOutcome,
      typeof document === "undefined"
        ? ""
        : " The browser's console says whether CORS was the cause.",
    ].join(""),
    Code.Unavailable,
    undefined,
    undefined,
    reason,
  );
  return isUnsent ? markNotProcessed(error) : error;
}

/** @throws ConnectError `ResourceExhausted` when a request's message is larger than `writeMaxBytes`. */
export function checkSize(
  message: Uint8Array | undefined,
  { writeMaxBytes }: { writeMaxBytes?: number | undefined },
): void {
  if (message && writeMaxBytes && message.length > writeMaxBytes) {
    throw new ConnectError(
      `the request has ${message.length} bytes, more than writeMaxBytes (${writeMaxBytes}); it was not sent`,
      Code.ResourceExhausted,
    );
  }
}
