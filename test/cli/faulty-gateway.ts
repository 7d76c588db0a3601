import { createServer, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { listen } from "../support/listen.js";

/** What happens to a request: `lost` is carried out, and its response does not come. */
export type Fate = "pass" | "lost" | { readonly status: number; readonly body?: unknown };

/** Passes HTTP requests on to a sandbox, or lets them go wrong. */
export async function startFaultyGateway(
  target: () => string,
  fate: (method: string, path: string) => Fate,
) {
  const seen: string[] = [];
  const server = createServer(async (incoming, response) => {
    const { method = "", url = "", headers } = incoming;
    const body = await buffer(incoming);
    seen.push(`${method} ${url}`);
    const what = fate(method, url);
    if (typeof what === "object") {
      response.writeHead(what.status, { "content-type": "application/json" });
      response.end(JSON.stringify(what.body ?? {}));
      return;
    }
    const far = request(new URL(url, target()), { method, headers }, async (upstream) => {
      const content = await buffer(upstream);
      if (what === "lost") {
        incoming.socket.destroy();
        return;
      }
      response.writeHead(upstream.statusCode ?? 500, upstream.headers);
      response.end(content);
    });
    far.on("error", () => incoming.socket.destroy());
    far.end(body);
  });
  const { port, close } = await listen(server);
  return { baseUrl: `http://localhost:${port}`, seen, close };
}
