import { request as http1Request } from "node:http";
import { connect } from "node:http2";

export interface RawRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly trailers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

/** Makes one request with a connection of its own, and leaves the response as it came. */
export function sendHttp1({ method, url, body, ...request }: RawRequest): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    // Node leaves it out of a DELETE, whose body the server then takes for the next request.
    const length = body === undefined ? {} : { "content-length": String(body.byteLength) };
    const headers = { ...request.headers, ...length };
    const outgoing = http1Request(url, { method, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("error", reject);
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers as RawResponse["headers"],
          trailers: incoming.trailers as RawResponse["trailers"],
          body: Buffer.concat(chunks),
        }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** The same over cleartext HTTP/2. */
export function sendHttp2({ method, url, headers, body }: RawRequest): Promise<RawResponse> {
  const { origin, pathname, search } = new URL(url);
  const session = connect(origin);
  return new Promise<RawResponse>((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({ ":method": method, ":path": pathname + search, ...headers });
    const chunks: Buffer[] = [];
    let response = {};
    let trailers = {};
    stream.on("response", (received) => {
      response = { ...received };
    });
    stream.on("trailers", (received) => {
      trailers = { ...received };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      const { ":status": status, ...rest } = response as Record<string, string>;
      resolve({ status: Number(status), headers: rest, trailers, body: Buffer.concat(chunks) });
    });
    stream.end(body);
  }).finally(() => session.destroy());
}
