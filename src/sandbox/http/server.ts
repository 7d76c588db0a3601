import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { HttpRequest, HttpResponse } from "./http.js";
import { handleHttp1, handleHttp2 } from "./node-http.js";

/** The first bytes of a client with prior knowledge of HTTP/2. RFC 9113, section 3.4. */
const http2Preface = Buffer.from("PRI ");

export interface SandboxServer {
  readonly port: number;
  /** Closes all connections at once; resolves when the port is free again. */
  readonly close: () => Promise<void>;
}

/**
 * Listens on the loopback addresses of IPv4 and, if available, IPv6, with HTTP/1.1 and cleartext HTTP/2 on
 * the same port: the first bytes of a connection show which.
 */
export async function listen(
  port: number,
  dispatch: (request: HttpRequest) => Promise<HttpResponse>,
): Promise<SandboxServer> {
  const sockets = new Set<Socket>();
  const http1 = createHttp1Server({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
    handleHttp1(dispatch, incoming, outgoing).catch((error) => incoming.destroy(error));
  });
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams: 250 } });
  http2.on("stream", (stream, headers, _flags, rawHeaders: string[]) => {
    handleHttp2(dispatch, stream, headers, rawHeaders).catch((error) => stream.destroy(error));
  });
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
  const listeners = await listenOnLoopback(port, onConnection);
  return {
    port: portOf(listeners[0]),
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

function listenOn(
  host: string,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection);
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
