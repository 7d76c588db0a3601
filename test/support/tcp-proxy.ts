import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP proxy whose connections can go deaf: they stay open, but nothing passes any more. */
export async function startTcpProxy(targetPort: number): Promise<{
  baseUrl: string;
  /** How many connections were made through it. */
  connections: () => number;
  /** Makes the connections of now go deaf; later ones work. */
  freeze: () => void;
}> {
  const sockets: Socket[] = [];
  let connections = 0;
  const server = createServer((outer) => {
    connections += 1;
    const inner = connect(targetPort, "127.0.0.1");
    for (const socket of [outer, inner]) {
      sockets.push(socket);
      socket.on("error", () => undefined);
    }
    outer.pipe(inner);
    inner.pipe(outer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    freeze() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
  };
}
