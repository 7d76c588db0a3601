import { platform } from "../common/environment.js";
import type { TokenSource } from "../options/token-source.js";
import type { RequestDebug } from "./debug-output.js";

/** How long a plain request may take. */
const defaultTimeoutMs = 30_000;

/** What a JSON request may be given. */
export interface RequestOptions {
  /** Makes it a POST. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** 30 s when not given. */
  readonly timeoutMs?: number | undefined;
}

export interface PlainRequest extends Omit<RequestOptions, "body"> {
  readonly headers?: Record<string, string> | undefined;
  readonly body?: string | undefined;
}

/** What is the same for all plain requests of a connection. */
export interface SenderOptions {
  readonly baseUrl: string;
  readonly token: string | TokenSource;
  readonly instanceHost: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Gathers the tokens that were sent. */
  readonly sent: Set<string>;
  readonly debug: RequestDebug | undefined;
}

/**
 * Makes what sends plain requests. A rejected token is renewed, and the request retried once. Resolves
 * when all of the response is there.
 */
export function createSender(
  options: SenderOptions,
): (path: string, request: PlainRequest) => Promise<Response> {
  const { token, instanceHost, fetch, sent, debug } = options;
  const url = options.baseUrl.replace(/\/+$/, "");
  return async (path, { headers, body, signal, timeoutMs = defaultTimeoutMs }) => {
    const limit = timeLimit(signal, timeoutMs);
    const attempt = async (bearer: string) => {
      sent.add(bearer);
      const method = body === undefined ? "GET" : "POST";
      const seen = debug?.request(method, url + path, body);
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(instanceHost === undefined ? {} : { "x-zitadel-instance-host": instanceHost }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal: limit.signal,
      });
      seen?.(response);
      return await received(response);
    };
    try {
      if (typeof token === "string") {
        return await attempt(token);
      }
      const bearer = await token();
      const response = await attempt(bearer);
      if (response.status !== 401) {
        return response;
      }
      const renewed = await token({ refused: bearer });
      return renewed === bearer ? response : await attempt(renewed);
    } finally {
      limit.end();
    }
  };
}

/**
 * A signal that is aborted with the caller's, or after the time. Unlike `AbortSignal.timeout` and
 * `AbortSignal.any` it leaves nothing behind when it is ended: a million requests share one signal.
 */
function timeLimit(signal: AbortSignal | undefined, timeoutMs: number) {
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  const cancelTimer = platform.setTimer(
    () => controller.abort(new DOMException(`no response in ${timeoutMs} ms`, "TimeoutError")),
    timeoutMs,
  );
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) {
    stop();
  }
  return {
    signal: controller.signal,
    end() {
      cancelTimer();
      signal?.removeEventListener("abort", stop);
    },
  };
}

/** The response with its body read, so that the time limit holds for that, too. */
async function received(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  const body = await response.arrayBuffer();
  return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers });
}
