import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { listen } from "../support/listen.js";
import { bodyOf, type Exchange, statusOf } from "./recordings.js";

export interface RecordedServer {
  readonly http1Url: string;
  readonly http2Url: string;
  /** Chooses the response to every request from now on. */
  respondWith(exchange: Exchange): void;
  close(): Promise<void>;
}

/** Headers that belong to the recorded connection and not to the response. */
const ofConnection = new Set([":status", "transfer-encoding", "content-length", "connection"]);

/** A server that understands nothing, and sends the bytes of one recorded response to every request. */
export async function startRecordedServer(): Promise<RecordedServer> {
  let current: Exchange | undefined;
  const recorded = () => {
    if (current === undefined) {
      throw new Error("nothing to respond with");
    }
    const headers = Object.fromEntries(
      Object.entries(current.response.headers).filter(([name]) => !ofConnection.has(name)),
    ) as Record<string, string | string[]>;
    const trailers = current.response.trailers ?? {};
    return { status: statusOf(current), headers, trailers, body: bodyOf(current) };
  };

  const http1 = createHttp1Server((request, response) => {
    request.resume().on("end", () => {
      const { status, headers, body } = recorded();
      response.writeHead(status, headers);
      response.flushHeaders();
      response.end(body);
    });
  });
  const http2 = createHttp2Server();
  http2.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.resume().on("end", () => {
      const { status, headers, trailers, body } = recorded();
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.respond({ ":status": status, ...headers }, { waitForTrailers: true });
      stream.end(body);
    });
  });

  const [first, second] = [await listen(http1), await listen(http2)];
  return {
    http1Url: `http://127.0.0.1:${first.port}`,
    http2Url: `http://127.0.0.1:${second.port}`,
    respondWith: (exchange) => {
      current = exchange;
    },
    close: async () => {
      await Promise.all([first.close(), second.close()]);
    },
  };
}
