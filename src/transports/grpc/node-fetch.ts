import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Readable } from "node:stream";
import { clientCertificate, hasCode, nothingSent, plainCause } from "../../errors/failure.js";
import { createMask, type Mask, secretsOf } from "../../errors/mask.js";
import { own } from "../../options/checker.js";
import type { NodeConnectOptions } from "../../options/options.js";
import { explainFailure } from "./failure.js";
import { authorityOf } from "./headers.js";

/**
 * A `fetch` for Node with the network settings of native gRPC: a private certificate authority, a client
 * certificate, a server name, `createConnection`, and the proxy that `HTTPS_PROXY` and `NO_PROXY` name. Pass it
 * as the option `fetch` of token sources, and of gRPC-web and JSON. Options of HTTP/2 itself have no meaning
 * here.
 *
 * It follows no redirects. Request bodies are held in memory until they are sent, and responses are
 * requested uncompressed. Idle connections do not keep the process alive.
 *
 * @param nodeOptions of Node's `tls.connect`, as for `createTransport`. Default: none.
 * @returns a function like `fetch`. It rejects with a TypeError `fetch failed`, like the platform's; its
 * `cause` describes what happened and which option to set.
 * @throws nothing; connections are made by the first request.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { serviceUser } from "zitadel-user-grants/auth";
 * import { createFetch, createManagementClient } from "zitadel-user-grants/grpc";
 *
 * const baseUrl = "https://zitadel.internal";
 * const nodeOptions = { ca: await readFile("ca.pem") };
 * const key = await readFile("key.json", "utf8");
 * const client = createManagementClient({
 *   baseUrl,
 *   nodeOptions,
 *   token: serviceUser(key, { issuer: baseUrl, fetch: createFetch(nodeOptions) }),
 * });
 * ```
 */
export function createFetch(nodeOptions: NodeConnectOptions = {}): typeof globalThis.fetch {
  const options = own(nodeOptions);
  let loading: Promise<MakeRequest> | undefined;
  return async (input, init) => {
    // Loaded on first use: node:http takes longer to load than this package.
    loading ??= load(options);
    const makeRequest = await loading;
    const request = new Request(input, init);
    const url = new URL(request.url);
    request.signal.throwIfAborted();
    const body = Buffer.from(await request.arrayBuffer());
    const headers = Object.fromEntries(request.headers);
    headers.host = authorityOf(url, options);
    if (body.length > 0) {
      headers["content-length"] = String(body.length);
    }
    const incoming = await send(makeRequest, url, request, headers, body);
    const { statusCode = 0 } = incoming;
    if (statusCode >= 300 && statusCode < 400 && request.redirect !== "manual") {
      incoming.destroy();
      throw new TypeError("fetch failed", { cause: new Error("redirects are not followed") });
    }
    return toResponse(incoming, statusCode, url);
  };
}

/** Makes a request with the agent for its scheme. */
type MakeRequest = (url: URL, options: RequestOptions) => ClientRequest;

/** The options of a request that an agent passes on to its connection. */
interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly signal?: AbortSignal;
}

async function load(nodeOptions: NodeConnectOptions): Promise<MakeRequest> {
  const [http, https, { openSocket }] = await Promise.all([
    import("node:http"),
    import("node:https"),
    import("./proxy.js"),
  ]);
  const makerFor = ({ Agent, request }: typeof http | typeof https, scheme: string) => {
    const agent = new Agent({ keepAlive: true, ...(nodeOptions as object) });
    agent.createConnection = (options, callback) => {
      const { host, port, signal } = options as unknown as SocketOptions;
      const name = host.includes(":") ? `[${host}]` : host;
      const origin = new URL(`${scheme}//${name}:${port}`);
      const how = { origin, nodeOptions, protocol: "http/1.1", signal, keepsAlive: true } as const;
      openSocket(how).then(
        (socket) => callback?.(null, socket),
        (error) => callback?.(error, undefined as never),
      );
      return undefined;
    };
    return (url: URL, options: RequestOptions) => request(url, { ...options, agent });
  };
  const [plain, secure] = [makerFor(http, "http:"), makerFor(https, "https:")];
  return (url, options) => (url.protocol === "https:" ? secure : plain)(url, options);
}

function send(
  makeRequest: MakeRequest,
  url: URL,
  original: Request,
  headers: Record<string, string>,
  body: Buffer,
): Promise<IncomingMessage> {
  const { method, signal } = original;
  return new Promise((resolve, reject) => {
    const request = makeRequest(url, { method, headers, signal });
    request.once("response", resolve);
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) {
        reject(signal.reason);
      } else if (request.reusedSocket && error.code === "EPIPE") {
        // The server had closed the idle connection: it has received nothing.
        send(makeRequest, url, original, headers, body).then(resolve, reject);
      } else {
        const mask = createMask(secretsOf(Object.entries(headers)));
        reject(fetchFailed(error, mask, request.socket !== null));
      }
    });
    request.end(body);
  });
}

function toResponse(incoming: IncomingMessage, status: number, url: URL): Response {
  const headers = new Headers();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
  }
  const withoutBody = [204, 205, 304].includes(status);
  if (withoutBody) {
    incoming.resume();
  }
  const body = withoutBody ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
  const response = new Response(body, { status, headers });
  // As in the platform's own responses; constructed ones lack it.
  return Object.defineProperty(response, "url", { value: url.href });
}

function fetchFailed(error: NodeJS.ErrnoException, mask: Mask, isSent: boolean): TypeError {
  const cause = plainCause(error, mask.text) as NodeJS.ErrnoException;
  const text = explainFailure(cause);
  if (isSent && nothingSent(cause) && !hasCode(cause, clientCertificate)) {
    // What breaks a handshake elsewhere has broken a session here.
    return new TypeError("fetch failed", { cause: new Error(cause.message) });
  }
  return new TypeError("fetch failed", {
    cause:
      text === cause.message
        ? cause
        : Object.assign(new Error(text, { cause }), { code: cause.code }),
  });
}
