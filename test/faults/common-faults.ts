import { gzipSync } from "node:zlib";
import { contentTypes, finish, frame, messageBytes, respondWell } from "./exchange.ts";
import {
  begins,
  type CodeName,
  type Fault,
  framed,
  gone,
  half,
  hangUp,
  http1,
  repeat,
  reset,
  responds,
  shortMs,
} from "./fault.ts";

const connections: Fault[] = [
  { name: "connection refused", down: true, expect: "Unavailable" },
  {
    name: "a server that accepts and never speaks",
    connection: (_, number) => number === 1,
    timeoutMs: shortMs,
    options: { connectTimeoutMs: 100 },
    expect: {
      grpc: ["ok", "Unavailable", "DeadlineExceeded"],
      "grpc-web": "DeadlineExceeded",
      json: "DeadlineExceeded",
    },
  },
  {
    name: "a connection that is closed as soon as it is made",
    connection: (socket, number) => number === 1 && socket.end() !== undefined,
    // Over HTTP/2 it provably never was open, so that the call can be retried.
    expect: { grpc: ["ok", "Unavailable"], "grpc-web": "Unavailable", json: "Unavailable" },
  },
  {
    name: "a connection that is reset as soon as it is made",
    connection: (socket, number) => number === 1 && socket.resetAndDestroy() !== undefined,
    // Where the reset comes before connect() is through, nothing can have been sent.
    expect: ["ok", "Unavailable"],
  },
  {
    name: "a black hole behind the request",
    respond: () => undefined,
    timeoutMs: shortMs,
    expect: "DeadlineExceeded",
  },
  {
    name: "a black hole behind the headers",
    respond: (exchange) => exchange.head(),
    timeoutMs: shortMs,
    expect: "DeadlineExceeded",
  },
  { name: "a reset before the headers", respond: reset, expect: "Unavailable" },
  { name: "an end of the connection before the headers", respond: hangUp, expect: "Unavailable" },
  {
    name: "a reset in the middle of the message",
    respond: begins(half, reset),
    expect: "Unavailable",
  },
  {
    name: "an end of the connection in the middle of the message",
    respond: begins(half, hangUp),
    expect: "Unavailable",
  },
  {
    name: "a reset before the trailers",
    respond: begins(messageBytes, reset),
    expect: "Unavailable",
  },
  {
    name: "a load balancer that closed the idle connection",
    before: 1,
    between: gone,
    expect: "ok",
  },
  {
    name: "a server that restarts between two calls",
    before: 1,
    between: async (server) => {
      for (const socket of server.sockets) {
        socket.resetAndDestroy();
      }
    },
    // The call may be on its way before the client has heard of it.
    expect: ["ok", "Unavailable"],
  },
  {
    name: "bytes that are not HTTP",
    connection: (socket, number) =>
      number === 1 && socket.end(Buffer.from("\u0000\u0001SSH-2.0-OpenSSH_9.6\r\n")) !== undefined,
    expect: { grpc: ["ok", "Unavailable"], "grpc-web": "Unavailable", json: "Unavailable" },
  },
];

const slow: Fault[] = [
  {
    name: "a response that drips in byte by byte",
    respond: (exchange) => {
      exchange.head();
      const bytes = [...messageBytes(exchange.protocol)];
      const drip = () => {
        const next = bytes.shift();
        if (next === undefined) {
          finish(exchange);
        } else {
          exchange.body(Uint8Array.of(next));
          setTimeout(drip, 2);
        }
      };
      drip();
    },
    expect: "ok",
  },
  {
    name: "a response that drips in and never ends",
    respond: begins(
      (protocol) =>
        protocol === "json" ? "{" : frame(0, new Uint8Array(1_000_000)).subarray(0, 5),
      (exchange) => repeat(exchange, 5, () => exchange.body(" ")),
    ),
    timeoutMs: shortMs,
    expect: "DeadlineExceeded",
  },
  {
    name: "a response that grows without end",
    respond: begins(
      (protocol) => (protocol === "json" ? "" : Buffer.from([0, 0x0f, 0xff, 0xff, 0xff])),
      (exchange) => {
        const chunk = Buffer.alloc(256 * 1024, " ");
        // Slowly enough for this side not to hold what the client has not taken.
        repeat(exchange, 10, () => exchange.body(chunk));
      },
    ),
    expect: "ResourceExhausted",
  },
  {
    name: "endless messages where one is expected",
    protocols: framed,
    respond: begins("", (exchange) =>
      repeat(exchange, 1, () => exchange.body(messageBytes(exchange.protocol))),
    ),
    expect: ["Unimplemented", "Internal"],
  },
  {
    name: "early hints before the response",
    respond: (exchange) => {
      for (let n = 0; n < 5; n++) {
        exchange.info(103, { link: "</style.css>; rel=preload" });
      }
      respondWell(exchange);
    },
    expect: "ok",
  },
  {
    name: "early hints and nothing else",
    respond: (exchange) => repeat(exchange, 20, () => exchange.info(103)),
    timeoutMs: shortMs,
    expect: "DeadlineExceeded",
  },
];

/** The gRPC mapping of HTTP statuses: doc/http-grpc-status-mapping.md. */
const pages: [number, string, CodeName][] = [
  [200, "Welcome", "Unknown"],
  [400, "Bad Request", "Internal"],
  [401, "Sign in", "Unauthenticated"],
  [403, "Forbidden by the firewall", "PermissionDenied"],
  [404, "Not Found", "Unimplemented"],
  [429, "Too Many Requests", "Unavailable"],
  [500, "Internal Server Error", "Unknown"],
  [502, "Bad Gateway", "Unavailable"],
  [503, "Service Unavailable", "Unavailable"],
  [504, "Gateway Timeout", "Unavailable"],
];

const inBetween: Fault[] = [
  ...pages.map(
    ([status, text, code]): Fault => ({
      name: `an HTML page with HTTP ${status}`,
      respond: responds({
        status,
        fields: { "content-type": "text/html; charset=utf-8" },
        body: `<!doctype html><title>${text}</title><h1>${text}</h1>`,
        end: "none",
      }),
      expect: code,
    }),
  ),
  ...[301, 302, 303, 307, 308].map(
    (status): Fault => ({
      name: `a redirect with HTTP ${status}`,
      respond: responds({
        status,
        fields: { location: "http://127.0.0.1:9/login" },
        body: "",
        end: "none",
      }),
      expect: "Unknown",
    }),
  ),
  ...[204, 205, 304].map(
    (status): Fault => ({
      name: `HTTP ${status} without a body`,
      respond: (exchange) => {
        exchange.head(exchange.protocol === "grpc" ? {} : { "content-length": "0" }, status);
        exchange.end();
      },
      expect: "error",
    }),
  ),
  {
    name: "the wrong content type around the right response",
    respond: responds({ fields: { "content-type": "text/plain" } }),
    expect: "Unknown",
  },
  {
    name: "the content type of another protocol",
    respond: (exchange) => {
      const other = contentTypes[exchange.protocol === "json" ? "grpc-web" : "json"];
      responds({ fields: { "content-type": other } })(exchange);
    },
    expect: "Unknown",
  },
  {
    name: "no content type",
    respond: responds({ fields: { "content-type": [] } }),
    expect: "Unknown",
  },
  {
    name: "a header block of 100 kB",
    respond: responds({ fields: { "x-large": Array(100).fill("x".repeat(1000)) } }),
    expect: { grpc: "ok", "grpc-web": "error", json: "error" },
  },
  {
    name: "duplicate header fields",
    respond: responds({
      fields: { "x-request-id": ["a", "b"], date: ["x", "y"], "set-cookie": ["a", "b"] },
    }),
    expect: "ok",
  },
];

const messages: Fault[] = [
  {
    name: "a content length of 4 GiB",
    protocols: ["json"],
    respond: ({ socket }) => {
      socket.write(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4294967295\r\n\r\n{",
      );
    },
    timeoutMs: shortMs,
    expect: ["ResourceExhausted", "DeadlineExceeded"],
  },
  {
    name: "a message of 20 MiB",
    respond: responds({
      body: (protocol) => {
        const padding = Buffer.alloc(20 * 1024 * 1024, " ");
        return protocol === "json" ? `{${padding}}` : frame(0, padding.fill(0));
      },
    }),
    expect: "ResourceExhausted",
  },
  {
    name: "a gzip bomb",
    respond: (exchange) => {
      const unpacked = new Uint8Array(32 * 1024 * 1024);
      const bomb = () => gzipSync(unpacked, { level: 1 });
      if (exchange.protocol === "grpc") {
        responds({ fields: { "grpc-encoding": "gzip" }, body: frame(1, bomb()) })(exchange);
        return;
      }
      unpacked.set(exchange.protocol === "json" ? [0x20] : [0, 6, 0x3f, 0xff, 0xfb]);
      responds({ fields: { "content-encoding": "gzip" }, body: bomb() })(exchange);
    },
    expect: "ResourceExhausted",
  },
  {
    name: "a body that claims to be gzip and is not",
    protocols: http1,
    respond: responds({ fields: { "content-encoding": "gzip" } }),
    expect: ["Unavailable", "Unknown", "Internal"],
  },
];

export const commonFaults: readonly Fault[] = [...connections, ...slow, ...inBetween, ...messages];
