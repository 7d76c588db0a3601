import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to a server of this machine that can be shut and opened again, on the same port. */
export interface TcpGate {
  readonly baseUrl: string;
  open(): Promise<void>;
  /** Closes all connections; new connections are refused. */
  shut(): Promise<void>;
}

/** Makes a gate to the server, open. */
export async function startTcpGate(target: URL): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const open = async () => {
    const opened = createServer((outer) => {
      const inner = connect(Number(target.port), target.hostname);
      for (const socket of [outer, inner]) {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          sockets.delete(socket);
          outer.destroy();
          inner.destroy();
        });
      }
      outer.pipe(inner).pipe(outer);
    });
    await new Promise<void>((resolve) => opened.listen(port, "localhost", resolve));
    const address = opened.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
    server = opened;
  };
  await open();
  return {
    baseUrl: `http://localhost:${port}`,
    open,
    shut: async () => {
      const closed = new Promise((resolve) => server?.close(resolve));
      for (const socket of sockets) {
        socket.destroy();
      }
      await closed;
    },
  };
}
