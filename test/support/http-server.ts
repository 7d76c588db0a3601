import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** An HTTP/1.1 server on a free port, for the duration of a test. */
export async function startHttpServer(
  handle: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
): Promise<{ baseUrl: string; requests: IncomingMessage[]; close: () => Promise<void> }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => handle(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close,
  };
}

/** A frame of gRPC-web. */
export function frame(flags: number, data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** A successful gRPC-web response with an empty message. */
export const okResponse = Buffer.concat([frame(0, ""), frame(128, "grpc-status: 0\r\n")]);

/** Responds to gRPC-web with status 200. */
export function respond(response: ServerResponse, body: Buffer | string, headers = {}): void {
  response.writeHead(200, { "content-type": "application/grpc-web+proto", ...headers });
  response.end(body);
}

/** A site whose one page runs a script, for the duration of a test. */
export async function serveScript(script: () => string): Promise<string> {
  const { baseUrl } = await startHttpServer(({ url }, response) => {
    const isScript = url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? script() : "<!doctype html><body><script type=module src=/page.js></script>",
    );
  });
  return `${baseUrl.replace("127.0.0.1", "localhost")}/`;
}
