// What can be wrong with messages, trailers and statuses of gRPC and gRPC-web.
import { gzipSync } from "node:zlib";
import { frame, message, messageBytes } from "./exchange.ts";
import { type Expected, type Fault, fails, framed, half, only, responds } from "./fault.ts";

const messages = only(framed, [
  {
    name: "a length prefix of 4 GiB",
    respond: responds({ body: Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 1), end: "never" }),
    expect: "ResourceExhausted",
  },
  {
    name: "the compressed flag without an encoding",
    respond: responds({ body: frame(1, gzipSync(message)) }),
    expect: "Internal",
  },
  ...[2, 3, 64, 127, 255].map((flags) => ({
    name: `the flags ${flags} before a message`,
    respond: responds({ body: frame(flags, message) }),
    expect: ["Internal", "Unknown", "Unimplemented"] as const,
  })),
  {
    name: "a response that ends cleanly within its message",
    respond: responds({ body: half }),
    expect: ["Internal", "Unavailable", "Unknown"],
  },
  {
    name: "a response that ends within its length prefix",
    respond: (exchange) => {
      exchange.head();
      exchange.body(Uint8Array.of(0, 0, 0));
      exchange.end(exchange.protocol === "grpc" ? { "grpc-status": "0" } : undefined);
    },
    expect: ["Internal", "Unavailable", "Unknown"],
  },
  {
    name: "a message with invalid protobuf",
    respond: responds({ body: frame(0, Uint8Array.of(0x0a, 0x7f, 1)) }),
    expect: ["Internal", "InvalidArgument", "Unknown"],
  },
  {
    name: "status 0 without a message",
    respond: responds({ body: "" }),
    expect: ["Unimplemented", "Internal", "Unknown"],
  },
  {
    name: "two messages",
    respond: responds({
      body: (protocol) => Buffer.concat([messageBytes(protocol), messageBytes(protocol)]),
    }),
    expect: ["Unimplemented", "Internal"],
  },
]);

const encodings = only(
  ["grpc"],
  [
    {
      name: "a compressed message with invalid gzip",
      respond: responds({ fields: { "grpc-encoding": "gzip" }, body: frame(1, "no gzip") }),
      expect: ["Internal", "InvalidArgument"],
    },
    {
      name: "an encoding that was not asked for",
      respond: responds({ fields: { "grpc-encoding": "snappy" }, body: frame(1, message) }),
      expect: ["Internal", "Unimplemented"],
    },
  ],
);

const trailerFrames = only(
  ["grpc-web"],
  [
    {
      name: "data after the trailers",
      respond: responds({
        body: Buffer.concat([
          messageBytes("grpc-web"),
          frame(128, "grpc-status: 0\r\n"),
          messageBytes("grpc-web"),
        ]),
        end: "none",
      }),
      expect: ["Internal", "Unknown", "InvalidArgument", "Unimplemented"],
    },
    {
      name: "garbage trailers",
      respond: responds({
        body: Buffer.concat([
          messageBytes("grpc-web"),
          frame(128, Uint8Array.of(0, 255, 58, 13, 10, 58, 58, 0)),
        ]),
        end: "none",
      }),
      expect: ["Internal", "Unknown", "InvalidArgument"],
    },
    {
      name: "an empty frame of trailers under a status in the headers",
      respond: responds({
        fields: { "grpc-status": "5", "grpc-message": "gone" },
        body: frame(128, ""),
        end: "none",
      }),
      expect: "NotFound",
    },
  ],
);

/** Spaces around a field's value do not count (RFC 9110, section 5.5). */
function expectedOf(status: string): Fault["expect"] {
  switch (status.trim()) {
    case "0":
      return { grpc: ["Internal", "Unknown"], "grpc-web": "ok" };
    case "5":
      return { grpc: ["Internal", "Unknown", "NotFound"], "grpc-web": "NotFound" };
    default:
      return ["Internal", "Unknown"];
  }
}

const twice: [string, string, Expected][] = [
  ["0", "0", ["Internal", "Unknown"]],
  ["0", "5", ["Internal", "Unknown", "NotFound"]],
  ["5", "0", ["Internal", "Unknown", "NotFound"]],
];

const notFound = { "grpc-status": "5" };
const texts: [string, string][] = [
  ["a percent-encoded NUL", "a%00b"],
  ["percent-encoded line breaks", "a%0D%0Ab: c"],
  ["percent-encoded invalid UTF-8", "%ff%fe%80"],
  ["malformed escapes", "100% %zz %4"],
  ["no text", ""],
  ["invalid UTF-8", "\u00ff\u00fe\u0080"],
];

const statuses = only(framed, [
  { name: "no trailers", respond: responds({ end: "none" }), expect: ["Internal", "Unknown"] },
  {
    name: "trailers without a status",
    respond: responds({ end: { "x-other": "1" } }),
    expect: ["Internal", "Unknown"],
  },
  ...["99", "17", "-1", "", "abc", "0x0", "00", "0 ", " 5", "1e0", "1.0", "٥", "+0"].map(
    (value) => ({
      name: `grpc-status: ${JSON.stringify(value)} beside a message`,
      respond: responds({ end: { "grpc-status": Buffer.from(value).toString("latin1") } }),
      expect: expectedOf(value),
    }),
  ),
  ...twice.map(([first, second, expect]) => ({
    name: `grpc-status twice: ${first} and ${second}`,
    respond: responds({ end: { "grpc-status": [first, second] } }),
    expect,
  })),
  ...texts.map(([name, text]) => ({
    name: `grpc-message: ${name}`,
    respond: fails({ ...notFound, "grpc-message": text }),
    expect: "NotFound" as const,
  })),
  {
    name: "grpc-message: a megabyte",
    respond: fails({ ...notFound, "grpc-message": "x".repeat(1_000_000) }),
    expect: { grpc: "error", "grpc-web": "NotFound" },
  },
  ...["", "!!!", "AAAA", "CAU", "CAUSA2FiYxoF/////w=="].map((details) => ({
    name: `grpc-status-details-bin: ${JSON.stringify(details)}`,
    respond: fails({ ...notFound, "grpc-message": "gone", "grpc-status-details-bin": details }),
    expect: "NotFound" as const,
  })),
]);

const rawMessage = only(
  ["grpc"],
  [
    {
      name: "grpc-message: raw NUL and line breaks",
      respond: fails({ ...notFound, "grpc-message": "a\u0000b\r\nc: d" }),
      expect: "error",
    },
  ],
);

export const framedFaults: readonly Fault[] = [
  ...messages,
  ...encodings,
  ...trailerFrames,
  ...statuses,
  ...rawMessage,
];
