import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

/** Passes requests on at once and responses after a while, so that a client can be gone before they come. */
export async function startSlowProxy(targetPort: number, responseDelayMs: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, "localhost");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.on("data", (chunk) =>
      setTimeout(() => near.destroyed || near.write(chunk), responseDelayMs),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    baseUrl: `http://localhost:${(server.address() as AddressInfo).port}`,
    close() {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
    },
  };
}
