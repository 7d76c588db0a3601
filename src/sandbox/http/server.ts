import { once } from "node:events";
import {
  createServer as createHttp1Server,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type HttpRequest, type HttpResponse, plainTextError } from "./http.js";

/** The first bytes of a client with prior knowledge of HTTP/2. RFC 9113, section 3.4. */
const http2Preface = Buffer.from("PRI ");

export interface ServerOptions {
  readonly port: number;
  /** The address to listen on; undefined for the loopback addresses. */
  readonly host: string | undefined;
  readonly dispatch: (request: HttpRequest) => Promise<HttpResponse>;
  /** For the dates of responses. */
  readonly now: () => number;
}

/**
 * Listens with HTTP/1.1 and cleartext HTTP/2 on the same port: the first bytes of a connection show which.
 */
export async function listen(options: ServerOptions) {
  const sockets = new Set<Socket>();
  const onRequest = (incoming: Incoming, outgoing: Outgoing) => {
    handle(options, incoming, outgoing).catch((error) => incoming.destroy(error));
  };
  const http1 = createHttp1Server({ keepAliveTimeout: 0 }, onRequest);
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams: 250 } }, onRequest);
  http2.on("session", (session: ServerHttp2Session) => {
    session.on("error", () => session.destroy());
  });
  const onConnection = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setNoDelay(true);
    handOver(socket, (isHttp2) => (isHttp2 ? http2 : http1).emit("connection", socket));
  };
  const { host, port } = options;
  const listeners =
    host === undefined
      ? await listenOnLoopback(port, onConnection)
      : ([await listenOn(host, port, onConnection)] as const);
  return {
    port: portOf(listeners[0]),
    /** Closes all connections at once; resolves when the port is free again. */
    close: async () => {
      const closed = listeners.map(
        (listener) => new Promise<void>((resolve) => listener.close(() => resolve())),
      );
      for (const socket of sockets) {
        socket.destroy();
      }
      http1.close();
      await Promise.all(closed);
    },
  };
}

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = ServerResponse | Http2ServerResponse;

/** Handles a request over either version. */
async function handle(
  { dispatch, now }: ServerOptions,
  incoming: Incoming,
  outgoing: Outgoing,
): Promise<void> {
  const controller = new AbortController();
  // A stream that its client resets ends with an error event; the signal notifies the handlers.
  incoming.on("error", () => undefined);
  outgoing.on("close", () => controller.abort(new Error("the client has left")));
  const [path = "", ...query] = (incoming.url ?? "").split("?");
  const authority = "authority" in incoming ? incoming.authority : undefined;
  const response = await dispatch({
    method: incoming.method ?? "",
    path,
    query: query.join("?"),
    httpVersion: incoming.httpVersionMajor === 2 ? 2 : 1,
    host: authority || incoming.headers.host || "",
    headers: firstValues(incoming.rawHeaders),
    // A route that stops reading must not abort the exchange.
    body: { [Symbol.asyncIterator]: () => incoming.iterator({ destroyOnReturn: false }) },
    signal: controller.signal,
    // A route that throws is a bug of the sandbox, unless the client has disconnected.
  }).catch((error: Error) => plainTextError(500, `The sandbox failed: ${error.stack}`));
  if (outgoing.destroyed || outgoing.writableEnded) {
    return;
  }
  if (response.lost) {
    const { socket } =
      "stream" in incoming ? { socket: incoming.stream.session?.socket } : incoming;
    (socket as Socket | undefined)?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(response.body ?? "");
  outgoing.sendDate = false;
  for (const [name, value] of Object.entries(response.headers)) {
    outgoing.setHeader(name, value);
  }
  if (!response.streamed) {
    outgoing.setHeader("date", new Date(now()).toUTCString());
  }
  if (!response.streamed && response.status !== 204) {
    outgoing.setHeader("content-length", body.byteLength);
  }
  // Go omits the header that states HTTP/1.1's default.
  outgoing.removeHeader("connection");
  outgoing.statusCode = response.status;
  if ("stream" in outgoing) {
    outgoing.addTrailers(response.trailers ?? {});
  } else {
    // Without this, a body that ends immediately would have a content-length instead of chunks.
    outgoing.flushHeaders();
  }
  outgoing.end(body);
  // An unread body would block the connection for its next request, or its flow-control window.
  incoming.resume();
}

/** Node joins the values of a header that comes twice. */
function firstValues(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    headers[(rawHeaders[at] ?? "").toLowerCase()] ??= rawHeaders[at + 1] ?? "";
  }
  return headers;
}

/** Reads as many bytes as needed to detect the protocol, and unshifts them. */
function handOver(socket: Socket, next: (isHttp2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.byteLength, http2Preface.byteLength);
    const matches = seen.subarray(0, compared).equals(http2Preface.subarray(0, compared));
    if (matches && compared < http2Preface.byteLength) {
      return;
    }
    socket.off("data", onData);
    socket.pause();
    socket.unshift(seen);
    next(matches);
    // HTTP/2 starts a paused socket itself, and Node's would otherwise miss the unshifted bytes; Bun's begins
    // before the rest can be read, and fails without this.
    if (!matches || process.versions.bun !== undefined) {
      socket.resume();
    }
  };
  socket.on("data", onData);
}

/** On the loopback address of IPv4 and, if available, that of IPv6. */
async function listenOnLoopback(
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<[Server, ...Server[]]> {
  for (let attempt = 1; ; attempt++) {
    const v4 = await listenOn("127.0.0.1", port, onConnection);
    try {
      return [v4, await listenOn("::1", portOf(v4), onConnection)];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") {
        return [v4];
      }
      // `localhost` would reach another server over IPv6. A port chosen by the system can be chosen again;
      // the caller's cannot.
      await new Promise((resolve) => v4.close(resolve));
      if (port !== 0 || attempt === 10) {
        throw error;
      }
    }
  }
}

async function listenOn(
  host: string,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer(onConnection).listen({ host, port });
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
