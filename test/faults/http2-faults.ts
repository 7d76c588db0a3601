import { type Exchange, messageBytes, respondWell } from "./exchange.ts";
import {
  begins,
  type Expected,
  type Fault,
  gone,
  half,
  hangUp,
  only,
  responds,
  shortMs,
} from "./fault.ts";
import { encodeFrame, frameType, goaway, uint32 } from "./http2-wire.ts";

/** RFC 9113, section 7, with what gRPC makes of it: doc/PROTOCOL-HTTP2.md#errors. */
const codes: [number, string, Expected][] = [
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

const resetWith = (code: number) => (exchange: Exchange) =>
  exchange.frame(frameType.rstStream, 0, uint32(code));
const refuse = resetWith(7);
/** GOAWAY, with the highest stream that counts. */
const goawayAfter = (exchange: Exchange, lastStreamId: number, code = 0) =>
  exchange.frame(frameType.goaway, 0, goaway(lastStreamId, code), 0);

const resets: Omit<Fault, "protocols">[] = [
  ...codes.map(([code, name, expect]) => ({
    name: `RST_STREAM ${name}`,
    respond: resetWith(code),
    expect,
  })),
  {
    name: "RST_STREAM REFUSED_STREAM: not processed, so it is retried",
    respond: refuse,
    expect: "ok",
  },
  {
    name: "RST_STREAM REFUSED_STREAM every time",
    times: 2,
    respond: refuse,
    expect: "Unavailable",
  },
  {
    name: "RST_STREAM REFUSED_STREAM after the headers: the request was taken, so it is not sent again",
    respond: begins("", refuse),
    expect: "Unavailable",
  },
  {
    name: "RST_STREAM REFUSED_STREAM after the whole message",
    respond: begins(messageBytes, refuse),
    expect: "Unavailable",
  },
  {
    name: "RST_STREAM in the middle of the message",
    respond: begins(half, resetWith(2)),
    expect: "Internal",
  },
  {
    name: "RST_STREAM NO_ERROR after a complete response",
    respond: (exchange) => {
      respondWell(exchange);
      resetWith(0)(exchange);
    },
    expect: "ok",
  },
];

const onIdleConnection = (
  [
    ["NO_ERROR", 0, ""],
    ["PROTOCOL_ERROR", 1, ""],
    ["ENHANCE_YOUR_CALM", 11, "too_many_pings"],
  ] as const
).flatMap(([name, code, debug]) =>
  [true, false].map((ends) => ({
    name: `GOAWAY ${name} on an idle connection${ends ? ", which then ends" : ""}`,
    before: 1,
    between: async (server: Parameters<typeof gone>[0]) => {
      for (const socket of server.sockets) {
        socket.write(encodeFrame(frameType.goaway, 0, 0, goaway(1, code, debug)));
        if (ends) {
          await gone(server);
        }
      }
    },
    expect: "ok" as const,
  })),
);

const goaways: Omit<Fault, "protocols">[] = [
  {
    name: "GOAWAY that includes the call, which then gets its response",
    respond: (exchange) => {
      goawayAfter(exchange, exchange.streamId);
      setTimeout(() => respondWell(exchange), 20);
    },
    expect: "ok",
  },
  {
    name: "GOAWAY that excludes the call: not processed, so it is retried",
    respond: (exchange) => goawayAfter(exchange, 0),
    expect: "ok",
  },
  {
    name: "GOAWAY that excludes the call, and the end of the connection",
    respond: (exchange) => {
      goawayAfter(exchange, 0);
      hangUp(exchange);
    },
    expect: "ok",
  },
  {
    name: "GOAWAY in two steps, as in a graceful shutdown",
    respond: (exchange) => {
      goawayAfter(exchange, 2 ** 31 - 1);
      goawayAfter(exchange, exchange.streamId);
      respondWell(exchange);
    },
    expect: "ok",
  },
  {
    name: "GOAWAY that includes the call, and the end of the connection",
    respond: (exchange) => {
      goawayAfter(exchange, exchange.streamId);
      hangUp(exchange);
    },
    expect: "Unavailable",
  },
  {
    name: "GOAWAY with an error that includes the call",
    respond: (exchange) => {
      goawayAfter(exchange, exchange.streamId, 2);
      hangUp(exchange);
    },
    expect: "error",
  },
  ...onIdleConnection,
];

const settings: Omit<Fault, "protocols">[] = [
  {
    name: "SETTINGS that never arrive",
    wire: { settings: (connection) => (connection === 1 ? undefined : new Uint8Array()) },
    timeoutMs: shortMs,
    options: { connectTimeoutMs: 100 },
    // Some clients send before the server has said anything; RFC 9113, section 3.4 lets them.
    expect: ["ok", "Unavailable", "DeadlineExceeded"],
  },
  ...(
    [
      ["stream", 3],
      ["body", 4],
    ] as const
  ).map(([what, setting]) => ({
    name: `SETTINGS that allow no ${what}`,
    wire: { settings: () => Uint8Array.of(0, setting, 0, 0, 0, 0) },
    lasts: true as const,
    timeoutMs: shortMs,
    // Who sends before SETTINGS have come is not bound by them yet.
    expect: ["DeadlineExceeded", "ok"] as const,
  })),
];

const frames: Omit<Fault, "protocols">[] = [
  {
    name: "an HTTP/1.1 response on the port",
    connection: (socket, number) =>
      number === 1 &&
      socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") !== undefined,
    expect: ["ok", "Unavailable"],
  },
  {
    name: "1,000 header fields",
    respond: responds({
      fields: Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x-${n}`, "1"])),
    }),
    expect: "ok",
  },
  {
    name: "a frame of an unknown type",
    respond: (exchange) => {
      exchange.frame(0xfa, 0xff, Buffer.from("what is this"), 0);
      respondWell(exchange);
    },
    expect: "ok",
  },
  {
    name: "a frame beyond the largest size",
    respond: (exchange) => exchange.frame(frameType.data, 0, new Uint8Array(20_000)),
    expect: "error",
  },
  {
    name: "a push without permission",
    respond: (exchange) =>
      exchange.frame(frameType.pushPromise, 4, Buffer.concat([uint32(2), Buffer.of(0x82)])),
    expect: "error",
  },
  {
    name: "a header block that does not decompress",
    respond: (exchange) => exchange.frame(frameType.headers, 4, Buffer.of(0xff, 0xff, 0xff, 0xff)),
    expect: "error",
  },
  {
    name: "an endless header block",
    respond: (exchange) => exchange.head({ "x-large": Array(1000).fill("x".repeat(1000)) }),
    // The connection ends by it, perhaps with the next call on it.
    lasts: true,
    expect: "error",
  },
  {
    name: "data before the headers",
    respond: (exchange) => exchange.frame(frameType.data, 0, messageBytes("grpc")),
    expect: "error",
  },
  {
    name: "a response to a stream that was never opened",
    respond: (exchange) => exchange.frame(frameType.data, 0, messageBytes("grpc"), 99),
    expect: "error",
  },
  {
    name: "a flood of PINGs and SETTINGS",
    respond: (exchange) => {
      for (let n = 0; n < 500; n++) {
        exchange.frame(frameType.ping, 0, Buffer.alloc(8), 0);
        exchange.frame(frameType.settings, 0, Buffer.alloc(0), 0);
      }
      respondWell(exchange);
    },
    expect: "ok",
  },
  {
    name: "a connection that is half-open after idling: the other side is gone without a FIN",
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

export const http2Faults: readonly Fault[] = only(
  ["grpc"],
  [...resets, ...goaways, ...settings, ...frames],
);
