import { createServer } from "node:http2";
import { listen } from "./listen.js";

/** A gRPC server over cleartext HTTP/2 that sends GOAWAY with each response, which is always OK and empty. */
export async function startGoingAway(): Promise<{ baseUrl: string; close: () => Promise<void> }> {
  const server = createServer();
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
  const { port, close } = await listen(server);
  return { baseUrl: `http://127.0.0.1:${port}`, close };
}
