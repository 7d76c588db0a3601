import type { Agent as HttpAgent, IncomingMessage } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import { Readable } from "node:stream";
import { describeFailure, plainCause } from "../../errors/failure.js";
import { createMask, type Mask, secretsOf } from "../../errors/mask.js";
import type { NodeConnectOptions } from "../../options/node-connect.js";
import { unref } from "../fetch/unref.js";
import { ownOptions } from "./connections/own-options.js";

/**
 * A `fetch` for Node with the network settings of native gRPC: a private certificate authority, a client
 * certificate, a server name, and the proxy that `HTTPS_PROXY` and `NO_PROXY` name. Pass it as the option
 * `fetch` of token sources, and of gRPC-web and JSON.
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
  let loading: Promise<Agents> | undefined;
  return async (input, init) => {
    // Loaded on first use: node:http takes longer to load than this package.
    loading ??= createAgents(nodeOptions);
    const agents = await loading;
    const request = new Request(input, init);
    const url = new URL(request.url);
    request.signal.throwIfAborted();
    const body = Buffer.from(await request.arrayBuffer());
    const headers = Object.fromEntries(request.headers);
    if (body.length > 0) {
      headers["content-length"] = String(body.length);
    }
    const keepsAlive = !(init && unref in init);
    const incoming = await send(url, request, headers, body, agents, keepsAlive);
    const { statusCode = 0 } = incoming;
    if (statusCode >= 300 && statusCode < 400 && request.redirect !== "manual") {
      incoming.destroy();
      throw new TypeError("fetch failed", { cause: new Error("redirects are not followed") });
    }
    return toResponse(incoming, statusCode, url);
  };
}

interface Agents {
  "https:": { agent: HttpsAgent; request: typeof import("node:https").request };
  "http:": { agent: HttpAgent; request: typeof import("node:http").request };
}

async function createAgents(nodeOptions: NodeConnectOptions): Promise<Agents> {
  const [byHttp, byHttps, { proxyFor }, { connectTarget, Tunnel, tlsThrough }] = await Promise.all([
    import("node:http"),
    import("node:https"),
    import("./connections/proxy.js"),
    import("./connections/tunnel.js"),
  ]);
  const https = new byHttps.Agent({ keepAlive: true, ...(nodeOptions as object) });
  const http = new byHttp.Agent({ keepAlive: true, ...(nodeOptions as object) });
  for (const agent of [https, http]) {
    const direct = agent.createConnection.bind(agent);
    agent.createConnection = (options, callback) => {
      const { host, port } = options as { host: string; port: number };
      const name = host.includes(":") ? `[${host}]` : host;
      const origin = new URL(`${agent === https ? "https" : "http"}://${name}:${port}`);
      const proxy = proxyFor(origin, process.env);
      if (proxy === undefined) {
        return direct(options, callback);
      }
      const tunnel = new Tunnel(proxy, connectTarget(origin));
      return agent === https ? tlsThrough(tunnel, origin, nodeOptions, ["http/1.1"]) : tunnel;
    };
  }
  return {
    "https:": { agent: https, request: byHttps.request },
    "http:": { agent: http, request: byHttp.request },
  };
}

function send(
  url: URL,
  original: Request,
  headers: Record<string, string>,
  body: Buffer,
  agents: Agents,
  keepsAlive: boolean,
): Promise<IncomingMessage> {
  const { method, signal } = original;
  return new Promise((resolve, reject) => {
    const { agent, request: makeRequest } = agents[url.protocol === "https:" ? "https:" : "http:"];
    const request = makeRequest(url, ownOptions({ method, headers, signal, agent }));
    request.once("response", resolve);
    if (!keepsAlive) {
      // The agent refs it for the next request.
      request.once("socket", (socket) => socket.unref());
    }
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) {
        reject(signal.reason);
      } else if (request.reusedSocket && error.code === "EPIPE") {
        // The server had closed the idle connection: it has received nothing.
        send(url, original, headers, body, agents, keepsAlive).then(resolve, reject);
      } else {
        reject(fetchFailed(error, createMask(secretsOf(Object.entries(headers)))));
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

function fetchFailed(error: NodeJS.ErrnoException, mask: Mask): TypeError {
  const cause = plainCause(error, mask.text) as NodeJS.ErrnoException;
  const text = describeFailure(cause);
  return new TypeError("fetch failed", {
    cause:
      text === cause.message
        ? cause
        : Object.assign(new Error(text, { cause }), { code: cause.code }),
  });
}
