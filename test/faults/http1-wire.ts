import type { Socket } from "node:net";
import {
  contentTypes,
  type Exchange,
  type Fields,
  type Protocol,
  type WireOptions,
} from "./exchange.ts";

/** HTTP/1.1 on a connection. */
export function serveHttp1(
  socket: Socket,
  protocol: Protocol,
  options: WireOptions,
  countRequest: () => number,
): void {
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const headEnd = received.indexOf("\r\n\r\n");
      const head = received.subarray(0, headEnd).toString("latin1");
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      if (headEnd < 0 || received.length < headEnd + 4 + length) {
        return;
      }
      received = received.subarray(headEnd + 4 + length);
      const path = head.split(" ")[1] ?? "";
      options.respond(createExchange(protocol, countRequest(), path, socket));
    }
  });
}

function createExchange(
  protocol: Protocol,
  number: number,
  path: string,
  socket: Socket,
): Exchange {
  const write = (bytes: string | Uint8Array) => {
    if (!socket.destroyed) {
      socket.write(bytes);
    }
  };
  const lines = (fields: Fields) =>
    Object.entries(fields)
      .flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`))
      .join("");
  const over = Promise.withResolvers<void>();
  socket.once("close", over.resolve);
  void over.promise.then(() => socket.off("close", over.resolve));
  return {
    protocol,
    number,
    path,
    socket,
    streamId: 0,
    over: over.promise,
    info: (status, fields = {}) => write(`HTTP/1.1 ${status} Info\r\n${lines(fields)}\r\n`),
    head(fields = {}, status = 200) {
      const all = {
        "content-type": contentTypes[protocol],
        "transfer-encoding": "chunked",
        ...fields,
      };
      write(`HTTP/1.1 ${status} Status\r\n${lines(all)}\r\n`);
    },
    body(bytes) {
      const chunk = Buffer.from(bytes);
      write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, crlf]));
    },
    end() {
      write("0\r\n\r\n");
      over.resolve();
    },
    frame() {
      throw new Error("HTTP/1.1 has no frames");
    },
  };
}

const crlf = Buffer.from("\r\n");
