import { readFile } from "node:fs/promises";
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Server } from "node:net";
import { extname, join } from "node:path";
import { onTestFinished } from "vitest";
import { frame } from "../faults/exchange.js";
import { listen } from "./listen.js";

/** Has a server listen for the duration of a test, and returns its port. */
export async function listenForTest(server: Server): Promise<number> {
  const { port, close } = await listen(server);
  onTestFinished(close);
  return port;
}

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
  const { port, close } = await listen(server);
  onTestFinished(close);
  return { baseUrl: `http://127.0.0.1:${port}`, requests, close };
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

const contentTypes: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

/**
 * A site with the files of a folder.
 *
 * @param index its first page, in place of a file.
 */
export function createSite(folder: string, index?: string): HttpServer {
  return createServer(async ({ url = "" }, response) => {
    const path = new URL(url, "http://localhost").pathname.replace(/\/$/, "/index.html");
    const isIndex = path === "/index.html" && index !== undefined;
    const file = isIndex ? index : await readFile(join(folder, path)).catch(() => undefined);
    response.writeHead(file === undefined ? 404 : 200, {
      "content-type": contentTypes[extname(path)] ?? "text/plain",
    });
    response.end(file);
  });
}

/** The address of such a site, for the duration of a test. */
export async function serveFolder(folder: string, index?: string): Promise<string> {
  return `http://localhost:${await listenForTest(createSite(folder, index))}`;
}
