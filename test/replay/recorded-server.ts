import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { bodyOf, type Exchange, statusOf } from "./recordings.js";

export interface RecordedServer {
  readonly http1Url: string;
  readonly http2Url: string;
  /** Chooses the response to every request from now on. */
  respondWith(exchange: Exchange): void;
  close(): Promise<void>;
}

/** Headers that belong to the recorded connection and not to the response. */
const ofConnection = new Set([":status", "transfer-encoding", "content-length", "connection"]);

/** A server that understands nothing, and sends the bytes of one recorded response to every request. */
export async function startRecordedServer(): Promise<RecordedServer> {
  let current: Exchange | undefined;
  const recorded = () => {
    if (current === undefined) {
      throw new Error("nothing to respond with");
    }
    const headers = Object.fromEntries(
      Object.entries(current.response.headers).filter(([name]) => !ofConnection.has(name)),
    ) as Record<string, string | string[]>;
    const trailers = current.response.trailers ?? {};
    return { status: statusOf(current), headers, trailers, body: bodyOf(current) };
  };

  const http1 = createHttp1Server((request, response) => {
    request.resume().on("end", () => {
      const { status, headers, body } = recorded();
      response.writeHead(status, headers);
      response.flushHeaders();
      response.end(body);
    });
  });
  const http2 = createHttp2Server();
  http2.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.resume().on("end", () => {
      const { status, headers, trailers, body } = recorded();
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.respond({ ":status": status, ...headers }, { waitForTrailers: true });
      stream.end(body);
    });
  });

  const sockets = new Set<Socket>();
  const listen = async (target: { emit(name: "connection", socket: Socket): unknown }) => {
    const server = createServer((socket) => {
      sockets.add(socket);
      target.emit("connection", socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  };
  const url = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const servers = [await listen(http1), await listen(http2)] as const;
  return {
    http1Url: url(servers[0]),
    http2Url: url(servers[1]),
    respondWith: (exchange) => {
      current = exchange;
    },
    close: async () => {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) {
        socket.destroy();
      }
      http1.close();
      await Promise.all(closed);
    },
  };
}
