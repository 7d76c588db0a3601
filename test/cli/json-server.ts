import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { listen } from "../support/listen.js";

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
): Promise<{ baseUrl: string; requests: JsonRequest[]; close: () => Promise<void> }> {
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
  const { port, close } = await listen(server);
  return { baseUrl: `http://localhost:${port}`, requests, close };
}
