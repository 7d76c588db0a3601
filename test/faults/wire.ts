import { createServer } from "node:net";
import { listen } from "../support/listen.ts";
import type { Protocol, WireOptions, WireServer } from "./exchange.ts";
import { serveHttp1 } from "./http1-wire.ts";
import { serveHttp2 } from "./http2-wire.ts";

/** A server that writes what it is told, right or wrong: HTTP/2 for native gRPC, else HTTP/1.1. */
export async function startWireServer(
  protocol: Protocol,
  options: WireOptions,
): Promise<WireServer> {
  let connections = 0;
  let requests = 0;
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    // One for each request of the connection.
    socket.setMaxListeners(0);
    const number = ++connections;
    if (options.connection?.(socket, number) === true) {
      return;
    }
    const countRequest = () => ++requests;
    if (protocol === "grpc") {
      serveHttp2(socket, number, options, countRequest);
    } else {
      serveHttp1(socket, protocol, options, countRequest);
    }
  });
  const listening = await listen(server, { port: options.port ?? 0 });
  return {
    ...listening,
    baseUrl: `http://127.0.0.1:${listening.port}`,
    get requests() {
      return requests;
    },
  };
}
