import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface JsonRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  // biome-ignore lint/suspicious/noExplicitAny: what a test sent, and looks at as it likes.
  readonly body: any;
}

export interface JsonReply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A server that responds to JSON requests as the test defines; `undefined` resets the connection. */
export async function startJsonServer(
  reply: (request: JsonRequest) => JsonReply | undefined,
): Promise<{
  baseUrl: string;
  requests: JsonRequest[];
  server: Server;
  close: () => Promise<void>;
}> {
  const requests: JsonRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const content = await text(incoming);
    const request: JsonRequest = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      body:
        incoming.headers["content-type"] === "application/json" ? JSON.parse(content) : undefined,
    };
    requests.push(request);
    const given = reply(request);
    if (given === undefined) {
      incoming.socket.destroy();
      return;
    }
    response.writeHead(given.status ?? 200, {
      "content-type": "application/json",
      ...given.headers,
    });
    response.end(typeof given.body === "string" ? given.body : JSON.stringify(given.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    baseUrl: `http://localhost:${(server.address() as AddressInfo).port}`,
    requests,
    server,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
