import { readFileSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";

const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** The path of the certificate of the authority that signed the one `startTlsProxy` shows. */
export const authorityFile = file("ca.pem");

/**
 * Puts TLS before a server of this machine, with ALPN: `h2` for who offers it, HTTP/1.1 otherwise. What
 * is inside passes as it is, so the server behind it must take both.
 */
export async function startTlsProxy(
  target: URL,
): Promise<{ baseUrl: string; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer(
    {
      cert: readFileSync(file("cert.pem")),
      key: readFileSync(file("key.pem")),
      ALPNProtocols: ["h2", "http/1.1"],
    },
    (outer) => {
      const inner = connect(Number(target.port), target.hostname);
      for (const [socket, other] of [
        [outer, inner],
        [inner, outer],
      ] as const) {
        sockets.add(socket);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
      outer.pipe(inner).pipe(outer);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    baseUrl: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) {
          socket.destroy();
        }
      }),
  };
}
