import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { Code } from "@connectrpc/connect";
import {
  contentTypes,
  type Exchange,
  finish,
  frame,
  message,
  messageBytes,
  messageJson,
  type Protocol,
  type WireServer,
} from "./exchange.ts";
import { frameType, goaway, type Http2WireOptions, uint32 } from "./http2-wire.ts";

type CodeName = keyof typeof Code;
/** What may come of a call; `"error"` is any code: the fault says nothing about what went wrong. */
export type Expected = Ending | "error" | readonly Ending[];
type Ending = "ok" | CodeName;

export interface Fault {
  name: string;
  /** The protocols that can have it. Default all. */
  protocols?: readonly Protocol[];
  /** What is right for the call that meets it. */
  expect: Expected | Partial<Record<Protocol, Expected>>;
  /** What the server does with the request. Default: nothing wrong. */
  respond?: (exchange: Exchange) => void;
  /** How many requests meet the fault. Default 1. */
  times?: number;
  /** What the server does with a connection, counted from 1; true when that is all. */
  connection?: (socket: Socket, number: number) => boolean;
  /** No server is there for the first call. */
  down?: true;
  /** The server stays like this, so that a second call says nothing. */
  lasts?: true;
  /** Calls that go well before. Default 0. */
  before?: number;
  /** What happens between those and the call. */
  between?: (server: WireServer) => Promise<void>;
  /** The deadline of the call. Default 5000, which only a hang reaches. */
  timeoutMs?: number;
  wire?: Partial<Http2WireOptions>;
  /** Options of this package's client that the fault is about. */
  options?: Record<string, unknown>;
}

const http1: readonly Protocol[] = ["grpc-web", "json"];
const grpc: readonly Protocol[] = ["grpc"];
const framed: readonly Protocol[] = ["grpc", "grpc-web"];

/** A call without a response settles at its deadline, and these are quick ones. */
const shortMs = 300;

const half = (exchange: Exchange) => {
  const bytes = messageBytes(exchange.protocol);
  return bytes.subarray(0, bytes.length - 2);
};
/** Ends the connection once what was written has gone out. */
const reset = ({ socket }: Exchange) => void setTimeout(() => socket.resetAndDestroy(), 20);
const html = (text: string) => `<!doctype html><title>${text}</title><h1>${text}</h1>`;
const page = (status: number, text: string) => (exchange: Exchange) => {
  exchange.head({ "content-type": "text/html; charset=utf-8" }, status);
  exchange.body(html(text));
  exchange.end();
};
/** A response with this status and message. */
const fails = (fields: Record<string, string | string[]>) => (exchange: Exchange) => {
  exchange.head();
  finish(exchange, fields);
};
const notFound = { "grpc-status": "5" };
const respondsWith =
  (body: string | Uint8Array, fields = {}) =>
  (exchange: Exchange) => {
    exchange.head(fields);
    exchange.body(body);
    exchange.end();
  };
const gone = async (server: WireServer) => {
  for (const socket of server.sockets) {
    await new Promise((resolve) => {
      socket.once("close", resolve);
      socket.end();
    });
  }
};

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
  {
    name: "an end of the connection before the headers",
    respond: ({ socket }) => socket.end(),
    expect: "Unavailable",
  },
  {
    name: "a reset in the middle of the message",
    respond: (exchange) => {
      exchange.head();
      exchange.body(half(exchange));
      reset(exchange);
    },
    expect: "Unavailable",
  },
  {
    name: "an end of the connection in the middle of the message",
    respond: (exchange) => {
      exchange.head();
      exchange.body(half(exchange));
      exchange.socket.end();
    },
    expect: "Unavailable",
  },
  {
    name: "a reset before the trailers",
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes(exchange.protocol));
      reset(exchange);
    },
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
    respond: (exchange) => {
      exchange.head();
      if (exchange.protocol === "json") {
        exchange.body("{");
      } else {
        exchange.body(frame(0, new Uint8Array(1_000_000)).subarray(0, 5));
      }
      const timer = setInterval(() => exchange.body(" "), 5);
      void exchange.over.then(() => clearInterval(timer));
    },
    timeoutMs: shortMs,
    expect: "DeadlineExceeded",
  },
  {
    name: "a response that grows without end",
    respond: (exchange) => {
      exchange.head();
      const chunk = Buffer.alloc(256 * 1024, " ");
      if (exchange.protocol !== "json") {
        exchange.body(Buffer.from([0, 0x0f, 0xff, 0xff, 0xff]));
      }
      // Slowly enough for this side not to hold what the client has not taken.
      const timer = setInterval(() => exchange.body(chunk), 10);
      void exchange.over.then(() => clearInterval(timer));
    },
    expect: "ResourceExhausted",
  },
  {
    name: "endless messages where one is expected",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      const timer = setInterval(() => exchange.body(messageBytes(exchange.protocol)), 1);
      void exchange.over.then(() => clearInterval(timer));
    },
    expect: ["Unimplemented", "Internal"],
  },
  {
    name: "early hints before the response",
    respond: (exchange) => {
      for (let n = 0; n < 5; n++) {
        exchange.info(103, { link: "</style.css>; rel=preload" });
      }
      exchange.head();
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: "ok",
  },
  {
    name: "early hints and nothing else",
    respond: (exchange) => {
      const timer = setInterval(() => exchange.info(103), 20);
      void exchange.over.then(() => clearInterval(timer));
    },
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
      respond: page(status, text),
      expect: code,
    }),
  ),
  ...[301, 302, 303, 307, 308].map(
    (status): Fault => ({
      name: `a redirect with HTTP ${status}`,
      respond: (exchange) => {
        exchange.head({ location: "http://127.0.0.1:9/login" }, status);
        exchange.end();
      },
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
    respond: (exchange) => {
      exchange.head({ "content-type": "text/plain" });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: "Unknown",
  },
  {
    name: "the content type of another protocol",
    respond: (exchange) => {
      exchange.head({
        "content-type": contentTypes[exchange.protocol === "json" ? "grpc-web" : "json"],
      });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: "Unknown",
  },
  {
    name: "no content type",
    respond: (exchange) => {
      exchange.head({ "content-type": [] });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: "Unknown",
  },
  {
    name: "a header block of 100 kB",
    respond: (exchange) => {
      exchange.head({ "x-large": Array.from({ length: 100 }, () => "x".repeat(1000)) });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: { grpc: "ok", "grpc-web": "error", json: "error" },
  },
  {
    name: "duplicate header fields",
    respond: (exchange) => {
      exchange.head({ "x-request-id": ["a", "b"], date: ["x", "y"], "set-cookie": ["a", "b"] });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: "ok",
  },
];

const messages: Fault[] = [
  {
    name: "a length prefix of 4 GiB",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 1));
    },
    expect: "ResourceExhausted",
  },
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
    respond: (exchange) => {
      exchange.head();
      const padding = " ".repeat(20 * 1024 * 1024);
      exchange.body(
        exchange.protocol === "json" ? `{${padding}}` : frame(0, new Uint8Array(padding.length)),
      );
      finish(exchange);
    },
    expect: "ResourceExhausted",
  },
  {
    name: "a gzip bomb",
    respond: (exchange) => {
      const bomb = (bytes: Uint8Array) => gzipSync(bytes, { level: 1 });
      const unpacked = new Uint8Array(32 * 1024 * 1024);
      if (exchange.protocol === "grpc") {
        exchange.head({ "grpc-encoding": "gzip" });
        exchange.body(frame(1, bomb(unpacked)));
      } else {
        exchange.head({ "content-encoding": "gzip" });
        unpacked.set(exchange.protocol === "json" ? [0x20] : [0, 6, 0x3f, 0xff, 0xfb]);
        exchange.body(bomb(unpacked));
      }
      finish(exchange);
    },
    expect: "ResourceExhausted",
  },
  {
    name: "a compressed message with invalid gzip",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head({ "grpc-encoding": "gzip" });
      exchange.body(frame(1, "no gzip"));
      finish(exchange);
    },
    expect: ["Internal", "InvalidArgument"],
  },
  {
    name: "a body that claims to be gzip and is not",
    protocols: http1,
    respond: (exchange) => {
      exchange.head({ "content-encoding": "gzip" });
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: ["Unavailable", "Unknown", "Internal"],
  },
  {
    name: "the compressed flag without an encoding",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(frame(1, gzipSync(message)));
      finish(exchange);
    },
    expect: "Internal",
  },
  {
    name: "an encoding that was not asked for",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head({ "grpc-encoding": "snappy" });
      exchange.body(frame(1, message));
      finish(exchange);
    },
    expect: ["Internal", "Unimplemented"],
  },
  ...[2, 3, 64, 127, 255].map(
    (flags): Fault => ({
      name: `the flags ${flags} before a message`,
      protocols: framed,
      respond: (exchange) => {
        exchange.head();
        exchange.body(frame(flags, message));
        finish(exchange);
      },
      expect: ["Internal", "Unknown", "Unimplemented"],
    }),
  ),
  {
    name: "a response that ends cleanly within its message",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(half(exchange));
      finish(exchange);
    },
    expect: ["Internal", "Unavailable", "Unknown"],
  },
  {
    name: "a response that ends within its length prefix",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(Uint8Array.of(0, 0, 0));
      exchange.end(exchange.protocol === "grpc" ? { "grpc-status": "0" } : undefined);
    },
    expect: ["Internal", "Unavailable", "Unknown"],
  },
  {
    name: "a message with invalid protobuf",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(frame(0, Uint8Array.of(0x0a, 0x7f, 1)));
      finish(exchange);
    },
    expect: ["Internal", "InvalidArgument", "Unknown"],
  },
  {
    name: "status 0 without a message",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      finish(exchange);
    },
    expect: ["Unimplemented", "Internal", "Unknown"],
  },
  {
    name: "two messages",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes(exchange.protocol));
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange);
    },
    expect: ["Unimplemented", "Internal"],
  },
  {
    name: "data after the trailers",
    protocols: ["grpc-web"],
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes("grpc-web"));
      exchange.body(frame(128, "grpc-status: 0\r\n"));
      exchange.body(messageBytes("grpc-web"));
      exchange.end();
    },
    expect: ["Internal", "Unknown", "InvalidArgument", "Unimplemented"],
  },
];

const json: Fault[] = (
  [
    ["truncated", messageJson.slice(0, -2), "Unknown"],
    ["an empty body", "", "Unknown"],
    ["null", "null", "Unknown"],
    ["a list", "[]", "Unknown"],
    ["a string", '"ok"', "Unknown"],
    ["true", "true", "Unknown"],
    ["another server's object", '{"status":"ok"}', "Unknown"],
    ["a field of the wrong type", '{"details":"ok"}', "Unknown"],
    ["an invalid number", '{"details":{"sequence":"abc"}}', "Unknown"],
    ["a number beyond 64 bits", '{"details":{"sequence":"99999999999999999999"}}', "Unknown"],
    ["100,000 nested lists", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "Unknown"],
    ["100,000 open braces", '{"a":'.repeat(100_000), "Unknown"],
    ["a byte order mark before it", `\ufeff${messageJson}`, "ok"],
    ["unknown fields", '{"details":{"sequence":"5","x":[1]},"y":{}}', "ok"],
    ["a duplicate key, the last one right", `{"details":null,${messageJson.slice(1)}`, "ok"],
    ["__proto__", '{"__proto__":{"sequence":"5"},"details":{"sequence":"5"}}', "ok"],
    ["an error within HTTP 200", '{"code":5,"message":"gone","details":[]}', "NotFound"],
    ["an error with code 99 within HTTP 200", '{"code":99,"message":"?"}', "Unknown"],
  ] as const
).map(([name, body, expect]) => ({
  name: `JSON: ${name}`,
  protocols: ["json"],
  respond: respondsWith(body),
  expect,
}));

const gatewayError =
  (status: number, body: string) =>
  (exchange: Exchange): void => {
    exchange.head({}, status);
    exchange.body(body);
    exchange.end();
  };
const jsonErrors: Fault[] = (
  [
    ["an error without a code", 404, '{"message":"gone"}', "Unimplemented"],
    ["an error with code 0", 400, '{"code":0,"message":""}', "Internal"],
    ["an error with code 99", 400, '{"code":99,"message":""}', "Internal"],
    ["an error with a text code", 403, '{"code":"5"}', "PermissionDenied"],
    ["an error with untyped details", 404, '{"code":5,"details":[{},1,null,"x"]}', "NotFound"],
    [
      "an error with details that do not fit",
      404,
      '{"code":5,"details":[{"@type":"type.googleapis.com/zitadel.v1.ErrorDetail","id":{}}]}',
      "NotFound",
    ],
    ["an error with a message that is a list", 404, '{"code":5,"message":[]}', "Unimplemented"],
    ["a truncated error", 404, '{"code":5,"mess', "Unimplemented"],
  ] as const
).map(([name, status, body, expect]) => ({
  name: `JSON: ${name}`,
  protocols: ["json"],
  respond: gatewayError(status, body),
  expect,
}));

const status: Fault[] = [
  {
    name: "no trailers",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes(exchange.protocol));
      exchange.end();
    },
    expect: ["Internal", "Unknown"],
  },
  {
    name: "trailers without a status",
    protocols: framed,
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes(exchange.protocol));
      finish(exchange, { "x-other": "1" });
    },
    expect: ["Internal", "Unknown"],
  },
  {
    name: "garbage trailers",
    protocols: ["grpc-web"],
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes("grpc-web"));
      exchange.body(frame(128, Uint8Array.of(0, 255, 58, 13, 10, 58, 58, 0)));
      exchange.end();
    },
    expect: ["Internal", "Unknown", "InvalidArgument"],
  },
  {
    name: "an empty frame of trailers under a status in the headers",
    protocols: ["grpc-web"],
    respond: (exchange) => {
      exchange.head({ "grpc-status": "5", "grpc-message": "gone" });
      exchange.body(frame(128, ""));
      exchange.end();
    },
    expect: "NotFound",
  },
  ...["99", "17", "-1", "", "abc", "0x0", "00", "0 ", " 5", "1e0", "1.0", "٥", "+0"].map(
    (value): Fault => ({
      name: `grpc-status: ${JSON.stringify(value)} beside a message`,
      protocols: framed,
      respond: (exchange) => {
        exchange.head();
        exchange.body(messageBytes(exchange.protocol));
        // Spaces around a field's value do not count (RFC 9110, section 5.5).
        finish(exchange, { "grpc-status": Buffer.from(value).toString("latin1") });
      },
      expect:
        value.trim() === "0"
          ? { grpc: ["Internal", "Unknown"], "grpc-web": "ok" }
          : value.trim() === "5"
            ? { grpc: ["Internal", "Unknown", "NotFound"], "grpc-web": "NotFound" }
            : ["Internal", "Unknown"],
    }),
  ),
  ...(
    [
      [
        ["0", "0"],
        ["Internal", "Unknown"],
      ],
      [
        ["0", "5"],
        ["Internal", "Unknown", "NotFound"],
      ],
      [
        ["5", "0"],
        ["Internal", "Unknown", "NotFound"],
      ],
    ] as const
  ).map(
    ([value, expect]): Fault => ({
      name: `grpc-status twice: ${value.join(" and ")}`,
      protocols: framed,
      respond: (exchange) => {
        exchange.head();
        exchange.body(messageBytes(exchange.protocol));
        finish(exchange, { "grpc-status": [...value] });
      },
      expect,
    }),
  ),
  ...(
    [
      ["a percent-encoded NUL", "a%00b"],
      ["percent-encoded line breaks", "a%0D%0Ab: c"],
      ["percent-encoded invalid UTF-8", "%ff%fe%80"],
      ["malformed escapes", "100% %zz %4"],
      ["no text", ""],
    ] as const
  ).map(
    ([name, text]): Fault => ({
      name: `grpc-message: ${name}`,
      protocols: framed,
      respond: fails({ ...notFound, "grpc-message": text }),
      expect: "NotFound",
    }),
  ),
  {
    name: "grpc-message: invalid UTF-8",
    protocols: framed,
    respond: fails({ ...notFound, "grpc-message": "\u00ff\u00fe\u0080" }),
    expect: "NotFound",
  },
  {
    name: "grpc-message: raw NUL and line breaks",
    protocols: grpc,
    respond: fails({ ...notFound, "grpc-message": "a\u0000b\r\nc: d" }),
    expect: "error",
  },
  {
    name: "grpc-message: a megabyte",
    protocols: framed,
    respond: fails({ ...notFound, "grpc-message": "x".repeat(1_000_000) }),
    expect: { grpc: "error", "grpc-web": "NotFound" },
  },
  ...["", "!!!", "AAAA", "CAU", "CAUSA2FiYxoF/////w=="].map(
    (value): Fault => ({
      name: `grpc-status-details-bin: ${JSON.stringify(value)}`,
      protocols: framed,
      respond: fails({
        ...notFound,
        "grpc-message": "gone",
        "grpc-status-details-bin": value,
      }),
      expect: "NotFound",
    }),
  ),
];

/** RFC 9113, section 7, with what gRPC makes of it: doc/PROTOCOL-HTTP2.md#errors. */
const resets: [number, string, Expected][] = [
  [0, "NO_ERROR", ["Internal", "Unknown"]],
  [1, "PROTOCOL_ERROR", "Internal"],
  [2, "INTERNAL_ERROR", "Internal"],
  [3, "FLOW_CONTROL_ERROR", "Internal"],
  [4, "SETTINGS_TIMEOUT", "Internal"],
  [5, "STREAM_CLOSED", ["Unknown", "Internal"]],
  [6, "FRAME_SIZE_ERROR", "Internal"],
  [8, "CANCEL", "Canceled"],
  [9, "COMPRESSION_ERROR", "Internal"],
  [10, "CONNECT_ERROR", "Internal"],
  [11, "ENHANCE_YOUR_CALM", "ResourceExhausted"],
  [12, "INADEQUATE_SECURITY", "PermissionDenied"],
  [13, "HTTP_1_1_REQUIRED", ["PermissionDenied", "Unknown", "Internal"]],
  [255, "with an unknown code", ["Unknown", "Internal"]],
];

const http2: Fault[] = [
  ...resets.map(
    ([code, name, expect]): Fault => ({
      name: `RST_STREAM ${name}`,
      protocols: grpc,
      respond: (exchange) => exchange.frame(frameType.rstStream, 0, uint32(code)),
      expect,
    }),
  ),
  {
    name: "RST_STREAM REFUSED_STREAM: not processed, so it is retried",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.rstStream, 0, uint32(7)),
    expect: "ok",
  },
  {
    name: "RST_STREAM REFUSED_STREAM every time",
    protocols: grpc,
    times: 2,
    respond: (exchange) => exchange.frame(frameType.rstStream, 0, uint32(7)),
    expect: "Unavailable",
  },
  {
    name: "RST_STREAM REFUSED_STREAM after the headers: the request was taken, so it is not sent again",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head();
      exchange.frame(frameType.rstStream, 0, uint32(7));
    },
    expect: "Unavailable",
  },
  {
    name: "RST_STREAM REFUSED_STREAM after the whole message",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes("grpc"));
      exchange.frame(frameType.rstStream, 0, uint32(7));
    },
    expect: "Unavailable",
  },
  {
    name: "1,000 header fields",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head(Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x-${n}`, "1"])));
      exchange.body(messageBytes("grpc"));
      finish(exchange);
    },
    expect: "ok",
  },
  {
    name: "RST_STREAM in the middle of the message",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head();
      exchange.body(half(exchange));
      exchange.frame(frameType.rstStream, 0, uint32(2));
    },
    expect: "Internal",
  },
  {
    name: "RST_STREAM NO_ERROR after a complete response",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head();
      exchange.body(messageBytes("grpc"));
      finish(exchange);
      exchange.frame(frameType.rstStream, 0, uint32(0));
    },
    expect: "ok",
  },
  {
    name: "GOAWAY that includes the call, which then gets its response",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(frameType.goaway, 0, goaway(exchange.streamId, 0), 0);
      setTimeout(() => {
        exchange.head();
        exchange.body(messageBytes("grpc"));
        finish(exchange);
      }, 20);
    },
    expect: "ok",
  },
  {
    name: "GOAWAY that excludes the call: not processed, so it is retried",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.goaway, 0, goaway(0, 0), 0),
    expect: "ok",
  },
  {
    name: "GOAWAY that excludes the call, and the end of the connection",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(frameType.goaway, 0, goaway(0, 0), 0);
      exchange.socket.end();
    },
    expect: "ok",
  },
  {
    name: "GOAWAY in two steps, as in a graceful shutdown",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(frameType.goaway, 0, goaway(2 ** 31 - 1, 0), 0);
      exchange.frame(frameType.goaway, 0, goaway(exchange.streamId, 0), 0);
      exchange.head();
      exchange.body(messageBytes("grpc"));
      finish(exchange);
    },
    expect: "ok",
  },
  {
    name: "GOAWAY that includes the call, and the end of the connection",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(frameType.goaway, 0, goaway(exchange.streamId, 0), 0);
      exchange.socket.end();
    },
    expect: "Unavailable",
  },
  {
    name: "GOAWAY with an error that includes the call",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(frameType.goaway, 0, goaway(exchange.streamId, 2), 0);
      exchange.socket.end();
    },
    expect: "error",
  },
  ...(
    [
      ["NO_ERROR", 0, ""],
      ["PROTOCOL_ERROR", 1, ""],
      ["ENHANCE_YOUR_CALM", 11, "too_many_pings"],
    ] as const
  ).flatMap(([name, code, debug]) =>
    [true, false].map(
      (ends): Fault => ({
        name: `GOAWAY ${name} on an idle connection${ends ? ", which then ends" : ""}`,
        protocols: grpc,
        before: 1,
        between: async (server) => {
          for (const socket of server.sockets) {
            const payload = goaway(1, code, debug);
            const head = Buffer.from([0, 0, payload.length, 7, 0, 0, 0, 0, 0]);
            socket.write(Buffer.concat([head, payload]));
            if (ends) {
              await gone(server);
            }
          }
        },
        expect: "ok",
      }),
    ),
  ),
  {
    name: "SETTINGS that never arrive",
    protocols: grpc,
    wire: { settings: (connection) => (connection === 1 ? undefined : new Uint8Array()) },

    timeoutMs: shortMs,
    options: { connectTimeoutMs: 100 },
    // Some clients send before the server has said anything; RFC 9113, section 3.4 lets them.
    expect: ["ok", "Unavailable", "DeadlineExceeded"],
  },
  {
    name: "an HTTP/1.1 response on the port",
    protocols: grpc,
    connection: (socket, number) =>
      number === 1 &&
      socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") !== undefined,
    expect: ["ok", "Unavailable"],
  },
  {
    name: "SETTINGS that allow no stream",
    protocols: grpc,
    wire: { settings: () => Uint8Array.of(0, 3, 0, 0, 0, 0) },
    lasts: true,
    timeoutMs: shortMs,
    // Who sends before SETTINGS have come is not bound by them yet.
    expect: ["DeadlineExceeded", "ok"],
  },
  {
    name: "SETTINGS that allow no body",
    protocols: grpc,
    wire: { settings: () => Uint8Array.of(0, 4, 0, 0, 0, 0) },
    lasts: true,
    timeoutMs: shortMs,
    // Who sends before SETTINGS have come is not bound by them yet.
    expect: ["DeadlineExceeded", "ok"],
  },
  {
    name: "a frame of an unknown type",
    protocols: grpc,
    respond: (exchange) => {
      exchange.frame(0xfa, 0xff, Buffer.from("what is this"), 0);
      exchange.head();
      exchange.body(messageBytes("grpc"));
      finish(exchange);
    },
    expect: "ok",
  },
  {
    name: "a frame beyond the largest size",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.data, 0, new Uint8Array(20_000)),
    expect: "error",
  },
  {
    name: "a push without permission",
    protocols: grpc,
    respond: (exchange) =>
      exchange.frame(frameType.pushPromise, 4, Buffer.concat([uint32(2), Buffer.of(0x82)])),
    expect: "error",
  },
  {
    name: "a header block that does not decompress",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.headers, 4, Buffer.of(0xff, 0xff, 0xff, 0xff)),
    expect: "error",
  },
  {
    name: "an endless header block",
    protocols: grpc,
    respond: (exchange) => {
      exchange.head({ "x-large": Array.from({ length: 1000 }, () => "x".repeat(1000)) });
    },
    // The connection ends by it, perhaps with the next call on it.
    lasts: true,
    expect: "error",
  },
  {
    name: "data before the headers",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.data, 0, messageBytes("grpc")),
    expect: "error",
  },
  {
    name: "a response to a stream that was never opened",
    protocols: grpc,
    respond: (exchange) => exchange.frame(frameType.data, 0, messageBytes("grpc"), 99),
    expect: "error",
  },
  {
    name: "a flood of PINGs and SETTINGS",
    protocols: grpc,
    respond: (exchange) => {
      for (let n = 0; n < 500; n++) {
        exchange.frame(frameType.ping, 0, Buffer.alloc(8), 0);
        exchange.frame(frameType.settings, 0, Buffer.alloc(0), 0);
      }
      exchange.head();
      exchange.body(messageBytes("grpc"));
      finish(exchange);
    },
    expect: "ok",
  },
  {
    name: "a connection that is half-open after idling: the other side is gone without a FIN",
    protocols: grpc,
    before: 1,
    between: async (server) => {
      for (const socket of server.sockets) {
        socket.removeAllListeners("data");
        socket.on("data", () => undefined);
      }
      await new Promise((resolve) => setTimeout(resolve, 60));
    },
    options: { pingIntervalMs: 50, pingTimeoutMs: 100, pingIdleConnection: false },
    expect: "ok",
  },
];

export const faults: readonly Fault[] = [
  ...connections,
  ...slow,
  ...inBetween,
  ...messages,
  ...json,
  ...jsonErrors,
  ...status,
  ...http2,
];

export function expectedEndings(fault: Fault, protocol: Protocol): Expected {
  const { expect } = fault;
  if (typeof expect === "string" || Array.isArray(expect)) {
    return expect as Expected;
  }
  return (expect as Partial<Record<Protocol, Expected>>)[protocol] ?? "error";
}

/** Whether a call that met a fault ended as it should. */
export function isRight(expected: Expected, ending: string): boolean {
  if (expected === "error") {
    return !["ok", "wrong response", "no ConnectError", "hangs", "DeadlineExceeded"].includes(
      ending,
    );
  }
  return typeof expected === "string" ? ending === expected : expected.includes(ending as Ending);
}

export function hasProtocol(fault: Fault, protocol: Protocol): boolean {
  return fault.protocols?.includes(protocol) ?? true;
}
