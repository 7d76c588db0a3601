import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { type Observer, observe } from "../../common/hooks.js";
import { causedBy, decided, decisionOf } from "../../errors/certainty.js";
import { describeFailure } from "../../errors/failure.js";
import { own } from "../../options/checker.js";
import type { Attempt } from "../call/attempt.js";
import { redirectError } from "../call/status.js";

/** What is used to make requests. */
export interface FetchParts {
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Whether an error of `fetch` says that nothing was sent. Those of browsers never do, so pages do without. */
  readonly nothingSent?: ((error: unknown) => boolean) | undefined;
}

/** A request as sent by the transports over `fetch`. */
export interface GuardedRequest {
  url: string;
  method: string;
  header: Headers;
  signal: AbortSignal;
  body: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Makes an attempt: one request, and one more if no connection could be made.
 *
 * @param read reads the response, and throws the error that it stands for.
 */
export async function sendOverFetch(
  attempt: Attempt,
  options: FetchParts & { readonly observer: Observer | undefined },
  request: Omit<GuardedRequest, "signal">,
  read: (response: Response) => Promise<UnaryResponse>,
): Promise<UnaryResponse> {
  const { call, contextValues, method, message } = attempt;
  const run = async () => {
    try {
      return await read(await guardedFetch(options, { ...request, signal: call.signal }));
    } catch (reason) {
      call.onFailed(reason);
      throw reason;
    }
  };
  const once = async () => {
    await call.passGate(contextValues);
    call.onSent();
    const { url, header } = request;
    const observer = options.observer?.({ method, url, header, secrets: call.secrets });
    const response = call.waitFor(run());
    if (observer !== undefined) {
      observe(observer, message, response);
    }
    return await response;
  };
  try {
    return await once();
  } catch (reason) {
    if (call.ended || decisionOf(reason) !== "unsent") {
      throw reason;
    }
    return await once();
  }
}

/**
 * Calls `fetch` so that a token is sent only to the requested address: redirects are rejected. They are
 * requested as "manual" and rejected here, since "error" is not available everywhere (workerd rejects it).
 *
 * @throws ConnectError `Unavailable` when there was no response, `Unknown` for a redirect.
 */
export async function guardedFetch(
  { fetch, nothingSent }: FetchParts,
  request: GuardedRequest,
): Promise<Response> {
  const { url, method, header, signal, body } = request;
  // That of a request whose header fields a program passes on: the server would wait for the rest of a body.
  header.delete("content-length");
  // The client's clock decides; besides, ZITADEL's CORS rules for gRPC-web reject it.
  header.delete("grpc-timeout");
  const init = own<RequestInit>({
    method,
    headers: header,
    signal,
    body: body ?? null,
    redirect: "manual",
    ...noStore(),
  });
  let response: Response;
  try {
    // Looked up at each call, so that a later replacement of the global one (a test, a tracer) takes effect.
    response = await (fetch ?? globalThis.fetch)(url, init);
  } catch (reason) {
    throw connectionError(reason, url, signal, nothingSent?.(reason));
  }
  if (isRedirect(response)) {
    discard(response);
    throw redirectError(response);
  }
  return response;
}

/** Followed by a caller's `fetch`, or not: in a browser, such a response has status 0 and no other information. */
export function isRedirect({ redirected, status, type }: Response): boolean {
  return (
    redirected || type === "opaqueredirect" || (status >= 300 && status < 400 && status !== 304)
  );
}

/**
 * The error for a failed `fetch` or a truncated body: `Unavailable`, unless the call has settled before.
 *
 * @param isUnsent whether it is certain that the server received nothing.
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
  // An error that this package has decided about is of another call.
  if (reason instanceof ConnectError && decisionOf(reason) === undefined) {
    return reason;
  }
  const hint =
    typeof document === "undefined"
      ? ""
      : ". The browser's console shows whether CORS was the cause";
  const message = `no complete response from ${new URL(url).host}: ${describeFailure(reason)}${hint}`;
  const error = causedBy(reason, message, Code.Unavailable);
  return isUnsent ? decided(error, "unsent") : error;
}

/**
 * The body of a response as it arrives; in one piece where it is no web stream (React Native, node-fetch). Cancels
 * the rest when the consumer stops reading.
 */
export async function* bodyChunks(response: Response): AsyncGenerator<Uint8Array> {
  // Some have no body, or one of another kind.
  const reader = (response.body as Partial<ReadableStream<Uint8Array>> | null)?.getReader?.();
  if (reader === undefined) {
    yield new Uint8Array(await response.arrayBuffer());
    return;
  }
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** A body as text; undefined for one of more bytes than these, which is not read to its end. */
export async function readText(response: Response, maxBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // React Native has no body stream.
  const chunks = response.body
    ? bodyChunks(response)
    : [new TextEncoder().encode(await response.text())];
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      return undefined;
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The first piece of a body, for an error message: empty if the connection broke before. */
export async function bodyStart(response: Response): Promise<string> {
  try {
    for await (const chunk of bodyChunks(response)) {
      return new TextDecoder().decode(chunk.subarray(0, 1024));
    }
  } catch {
    // What is wrong with the response is known already.
  }
  return "";
}

/** Cancels a body that is not going to be read. */
export function discard(response: Response): void {
  const body = response.body as Partial<ReadableStream> | null;
  body?.cancel?.().catch(() => undefined);
}

/** For requests that no cache may answer: those of frameworks (Next.js) and service workers keep POST too. */
export function noStore(): RequestInit {
  // Elsewhere the option is rejected (older workerd) or changes the address (React Native).
  return "cache" in (globalThis.Request?.prototype ?? {}) ? { cache: "no-store" } : {};
}
