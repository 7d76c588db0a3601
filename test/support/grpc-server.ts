import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import { onTestFinished } from "vitest";
import { frame } from "../faults/exchange.js";
import { listen } from "./listen.js";

/** A call as it reached the server. */
export interface ReceivedCall {
  stream: ServerHttp2Stream;
  header: IncomingHttpHeaders;
  body: Buffer;
}

export interface GrpcServer {
  baseUrl: string;
  calls: ReceivedCall[];
  sessions: ServerHttp2Session[];
  server: Http2Server;
  close: () => Promise<void>;
}

/** A cleartext HTTP/2 server on a free port, for the duration of a test; it responds to each call as told. */
export async function startGrpcServer(
  handle: (call: ReceivedCall) => void,
  options: ServerOptions & { port?: number } = {},
): Promise<GrpcServer> {
  const calls: ReceivedCall[] = [];
  const sessions: ServerHttp2Session[] = [];
  const server = createServer(options);
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, header) => {
    const chunks: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const call = { stream, header, body: Buffer.concat(chunks) };
      calls.push(call);
      handle(call);
    });
  });
  const { port, close } = await listen(server, { port: options.port ?? 0 });
  onTestFinished(close);
  return { baseUrl: `http://127.0.0.1:${port}`, calls, sessions, server, close };
}

/** Responds with headers, any bytes, and trailers. */
export function respond(
  stream: ServerHttp2Stream,
  response: {
    header?: OutgoingHttpHeaders;
    body?: Buffer;
    trailer?: OutgoingHttpHeaders | undefined;
  },
): void {
  const { header, body, trailer } = { trailer: { "grpc-status": "0" }, ...response };
  stream.respond(
    { ":status": 200, "content-type": "application/grpc+proto", ...header },
    trailer === undefined ? {} : { waitForTrailers: true },
  );
  if (trailer !== undefined) {
    stream.on("wantTrailers", () => stream.sendTrailers(trailer));
  }
  stream.end(body ?? frame(0, ""));
}

/** Responds with only headers ("Trailers-Only"). */
export function respondHeadersOnly(stream: ServerHttp2Stream, header: OutgoingHttpHeaders): void {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc+proto", ...header },
    { endStream: true },
  );
}
