import { createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";

/** A gRPC server over cleartext HTTP/2 that sends GOAWAY with each response, which is always OK and empty. */
export async function startGoingAway(): Promise<{ baseUrl: string; close: () => Promise<void> }> {
  const sessions = new Set<Http2Session>();
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream) => {
    stream.on("error", () => stream.session?.destroy());
    stream.resume();
    stream.respond(
      { ":status": 200, "content-type": "application/grpc+proto" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": "0" });
      stream.session?.close();
    });
    stream.end(Buffer.alloc(5));
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    baseUrl: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) {
          session.destroy();
        }
      }),
  };
}
