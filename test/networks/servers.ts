import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
} from "node:http2";
import { connect } from "node:net";
import { contentTypes, frame, message, messageJson, type Protocol } from "../faults/exchange.js";
import { listenForTest } from "../support/http-server.js";

export interface SecureServer {
  port: number;
  requests: { path: string; authority: string | undefined; authorization: string | undefined }[];
}

/** A TLS server that speaks gRPC, gRPC-web and JSON, each call served normally, for the duration of a test. */
export async function startSecureServer(options: SecureServerOptions): Promise<SecureServer> {
  const requests: SecureServer["requests"] = [];
  const server = createSecureServer({ allowHTTP1: true, ...options }, (request, response) => {
    requests.push({
      path: request.url,
      authority: request.authority ?? request.headers.host,
      authorization: request.headers.authorization,
    });
    request.resume();
    request.on("end", () => respond(request, response));
  });
  server.on("sessionError", () => undefined);
  const port = await listenForTest(server);
  return { port, requests };
}

function respond(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const type = String(request.headers["content-type"]);
  const protocol: Protocol = type.startsWith("application/grpc-web")
    ? "grpc-web"
    : type.startsWith("application/grpc")
      ? "grpc"
      : "json";
  response.writeHead(200, { "content-type": contentTypes[protocol] });
  if (protocol === "json") {
    response.end(messageJson);
    return;
  }
  response.write(frame(0, message));
  if (protocol === "grpc") {
    response.addTrailers({ "grpc-status": "0" });
    response.end();
  } else {
    response.end(frame(128, "grpc-status: 0\r\n"));
  }
}

export interface Proxy {
  url: string;
  connects: { target: string | undefined; authorization: string | undefined }[];
  /** Open tunnels. */
  open: () => number;
}

/** An HTTP proxy for CONNECT that says where it was sent to. */
export async function startProxy(
  options: {
    refuse?: number;
    accept?: string;
    resolve?: (target: string) => { host: string; port: number };
  } = {},
): Promise<Proxy> {
  const connects: Proxy["connects"] = [];
  let open = 0;
  const server = createHttpServer((_, response) => response.writeHead(405).end());
  server.on("connect", (request: IncomingMessage, socket, head: Buffer) => {
    const target = request.url ?? "";
    connects.push({ target, authorization: request.headers["proxy-authorization"] });
    if (options.refuse !== undefined) {
      socket.end(`HTTP/1.1 ${options.refuse} No\r\n\r\n`);
      return;
    }
    const at = target.lastIndexOf(":");
    const { host, port } = options.resolve?.(target) ?? {
      host: target.slice(0, at).replace(/^\[|\]$/g, ""),
      port: Number(target.slice(at + 1)),
    };
    open++;
    const upstream = connect(port, host, () => {
      socket.write(`HTTP/1.1 ${options.accept ?? "200 Connection established"}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("close", () => {
      open--;
      socket.destroy();
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
    socket.on("close", () => upstream.destroy());
  });
  const port = await listenForTest(server);
  return { url: `http://127.0.0.1:${port}`, connects, open: () => open };
}
