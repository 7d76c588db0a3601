import { platform } from "../common/environment.js";
import { withinTime } from "../common/time-limit.js";
import type { TokenSource } from "../options/token-source.js";
import type { RequestDebug } from "./debug-output.js";

/** How long a plain request may take. */
const defaultTimeoutMs = 30_000;

/** The options of a JSON request. */
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

/** What all plain requests of a connection share. */
export interface SenderOptions {
  readonly baseUrl: string;
  readonly token: string | TokenSource;
  readonly instanceHost: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Collects the tokens that were sent. */
  readonly sent: Set<string>;
  readonly debug: RequestDebug | undefined;
}

/**
 * Creates a function that sends plain requests. A rejected token is renewed, and the request retried once. It
 * resolves when the complete response has been read.
 */
export function createSender(
  options: SenderOptions,
): (path: string, request: PlainRequest) => Promise<Response> {
  const { token, instanceHost, fetch, sent, debug } = options;
  const url = options.baseUrl.replace(/\/+$/, "");
  const timedOut = (timeoutMs: number) =>
    new DOMException(`no response in ${timeoutMs} ms`, "TimeoutError");
  return async (path, { headers, body, signal: outer, timeoutMs = defaultTimeoutMs }) => {
    const attempt = async (bearer: string, signal: AbortSignal) => {
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
        signal,
      });
      seen?.(response);
      return await received(response);
    };
    const send = async (signal: AbortSignal) => {
      if (typeof token === "string") {
        return await attempt(token, signal);
      }
      const bearer = await token();
      const response = await attempt(bearer, signal);
      if (response.status !== 401) {
        return response;
      }
      const renewed = await token({ refused: bearer });
      return renewed === bearer ? response : await attempt(renewed, signal);
    };
    return await withinTime(platform, timeoutMs, outer, () => timedOut(timeoutMs), send);
  };
}

/** The response with its body read, so that the time limit applies to the body, too. */
async function received(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  const body = await response.arrayBuffer();
  return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers });
}
