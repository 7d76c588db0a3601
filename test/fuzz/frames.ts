import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { close, createManagementClient } from "../../src/grpc.js";
import { type Exchange, type Fields, frame, message, respondWell } from "../faults/exchange.js";
import { encodeHeaders, frameType, goaway, uint32 } from "../faults/http2-wire.js";
import { startWireServer } from "../faults/wire.js";
import { countEnding, type Tally } from "./tally.js";

const endStream = 1;
const endHeaders = 4;

/** Something that a server writes in response to a call. */
type Step =
  | { kind: "head"; fields: Fields; end: boolean }
  | { kind: "info" }
  | { kind: "data"; bytes: Buffer; end: boolean }
  | { kind: "trailers"; fields: Fields; end: boolean }
  | { kind: "many"; count: number }
  | { kind: "frame"; type: number; flags: number; payload: Buffer; ofStream: boolean }
  | { kind: "reset"; code: number }
  | { kind: "goaway"; counted: boolean; code: number };

const grant = { userId: "1", grantId: "2" };
const whole = frame(0, message);
const statuses = fc.constantFrom<Fields>(
  { "grpc-status": "0" },
  { "grpc-status": "0" },
  { "grpc-status": "5", "grpc-message": "gone" },
  { "grpc-status": ["0", "5"] },
  { "grpc-status": "00" },
  { "grpc-status": "" },
  { "grpc-message": "no status" },
  {},
);
const ends = fc.boolean();

const head: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("head"),
  fields: fc
    .tuple(
      fc.constantFrom("200", "200", "200", "503", "204"),
      fc.constantFrom("application/grpc", "application/grpc+proto;charset=utf-8", "text/html"),
      fc.constantFrom<Fields>({}, {}, { "grpc-encoding": "zstd" }, { "grpc-encoding": "gzip" }),
      fc.oneof(fc.constant<Fields>({}), statuses),
    )
    .map(([status, type, encoding, fields]) => ({
      ":status": status,
      "content-type": type,
      ...encoding,
      ...fields,
    })),
  end: fc.constantFrom(false, false, false, true),
});

const data: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("data"),
  bytes: fc.constantFrom(
    whole,
    whole,
    whole,
    Buffer.concat([whole, whole]),
    whole.subarray(0, 3),
    whole.subarray(0, -1),
    frame(1, message),
    frame(128, "grpc-status: 0\r\n"),
    // A varint, a length and a field that are cut off.
    frame(0, Uint8Array.of(0x0a, 0x02, 0x08, 0x80)),
    frame(0, Uint8Array.of(0x0a, 0x7f, 0x08)),
    frame(0, Uint8Array.of(0x80)),
    Buffer.alloc(0),
  ),
  end: fc.constantFrom(false, false, false, true),
});

const trailers: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("trailers"),
  fields: statuses,
  end: fc.constantFrom(true, true, false),
});

const others: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ kind: "info" }),
  fc.record({
    kind: fc.constant("many" as const),
    // A part of thousands is still to come when a stream breaks off, at which Node may abort the program:
    // https://github.com/nodejs/node/issues/35233
    count: fc.constantFrom(20, 100, 3_900),
  }),
  fc.record({
    kind: fc.constant("frame" as const),
    type: fc.constantFrom(0, 3, 4, 6, 7, 8, 9, 11, 250),
    flags: fc.constantFrom(0, 1, 4, 5, 8, 32),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(uint32(0), uint32(1), Buffer.alloc(6), Buffer.alloc(8)),
    ),
    ofStream: ends,
  }),
  fc.record({ kind: fc.constant("reset" as const), code: fc.constantFrom(0, 1, 2, 7, 7, 8, 11) }),
  fc.record({
    kind: fc.constant("goaway" as const),
    counted: ends,
    code: fc.constantFrom(0, 0, 2, 11),
  }),
);

const good = {
  head: {
    kind: "head",
    fields: { ":status": "200", "content-type": "application/grpc" },
    end: false,
  },
  data: { kind: "data", bytes: whole, end: false },
  trailers: { kind: "trailers", fields: { "grpc-status": "0" }, end: true },
} satisfies Record<string, Step>;
const maybe = fc.option(others, { freq: 2 });

/** The right ones with others between them, in the right order, or in any. */
const steps: fc.Arbitrary<Step[]> = fc.oneof(
  fc
    .tuple(maybe, fc.constant(good.head), maybe, fc.constant(good.data), maybe)
    .map((all) => [...all.filter((step) => step !== null), good.trailers]),
  fc
    .tuple(
      fc.option(others),
      head,
      fc.option(others),
      data,
      fc.option(fc.oneof(data, others)),
      trailers,
    )
    .map((all) => all.filter((step) => step !== null)),
  fc.array(fc.oneof(head, data, trailers, others), { minLength: 1, maxLength: 6 }),
);

/**
 * Calls again and again, and responds each time with frames that HTTP/2 and gRPC allow or not, in any order,
 * up to the end of the connection. A call must end by itself; it may go well only with one whole message
 * and an OK in trailers, and it must not be sent again once anything of a response has come.
 */
export async function fuzzFrames(numRuns: number, seed: number): Promise<Tally> {
  const tally: Tally = {};
  let current: Step[] | undefined;
  const responded = new Set<number>();
  const server = await startWireServer("grpc", {
    respond: (exchange) => {
      if (current === undefined) {
        respondWell(exchange);
        return;
      }
      if (write(exchange, current)) {
        responded.add(exchange.number);
      }
      exchange.socket.end();
    },
  });
  const { baseUrl } = server;
  const property = fc.asyncProperty(steps, async (all) => {
    current = all;
    // Its own, since the connections that end like this would make the next call wait.
    const client = createManagementClient({ baseUrl });
    // Node stops reading at what breaks the rules of HTTP/2 behind a GOAWAY, and does not say so.
    const mayStopReading = all.some(
      (step) => step.kind === "frame" || (step.kind === "goaway" && step.code === 0),
    );
    const timeoutMs = mayStopReading ? 300 : 15_000;
    const before = server.requests;
    const started = performance.now();
    // Its response has fields, so that malformed ones cannot pass as unknown.
    const error = await countEnding(tally, client.deactivateUserGrant(grant, { timeoutMs }));
    close(client);
    const told = () => `${JSON.stringify(all)} after ${performance.now() - started} ms`;
    if (error?.code === Code.DeadlineExceeded && !mayStopReading) {
      throw new Error(`not ended by itself: ${told()}`);
    }
    if (error === undefined && !mayBeOk(all)) {
      throw new Error(`taken for a success: ${told()}`);
    }
    if (server.requests > before + 1 && responded.has(before + 1)) {
      throw new Error(`sent again after its response had begun: ${told()}`);
    }
  });
  try {
    await fc.assert(property, { numRuns, seed, endOnFailure: true });
    current = undefined;
    const client = createManagementClient({ baseUrl });
    await client.bulkRemoveUserGrant({ grantId: ["1"] });
    close(client);
  } finally {
    await server.close();
  }
  return tally;
}

/** Returns whether a client has to take it for the beginning of a response. */
function write(exchange: Exchange, all: readonly Step[]): boolean {
  const headers = (fields: Fields, end: boolean) => {
    const block = encodeHeaders(fields);
    const first = block.subarray(0, 16_384);
    const rest = block.subarray(16_384);
    const flags = end ? endStream : 0;
    exchange.frame(frameType.headers, flags | (rest.length > 0 ? 0 : endHeaders), first);
    for (let at = 0; at < rest.length; at += 16_384) {
      const isLast = at + 16_384 >= rest.length;
      const part = rest.subarray(at, at + 16_384);
      exchange.frame(frameType.continuation, isLast ? endHeaders : 0, part);
    }
  };
  const { streamId } = exchange;
  // Only what comes before anything that breaks the rules is sure to be seen.
  let isResponding = false;
  let isPlain = true;
  for (const step of all) {
    switch (step.kind) {
      case "head":
        headers(step.fields, step.end);
        isResponding ||= isPlain;
        break;
      case "info":
        exchange.info(103);
        isResponding ||= isPlain;
        break;
      case "data":
        exchange.frame(frameType.data, step.end ? endStream : 0, step.bytes);
        isPlain &&= isResponding;
        break;
      case "trailers":
        headers(step.fields, step.end);
        isPlain &&= isResponding;
        break;
      case "many":
        headers(
          { ":status": "200", x: Array.from({ length: step.count }, (_, at) => String(at)) },
          false,
        );
        isPlain &&= isResponding;
        break;
      case "frame":
        exchange.frame(step.type, step.flags, step.payload, step.ofStream ? streamId : 0);
        isPlain &&= isResponding;
        break;
      case "reset":
        exchange.frame(frameType.rstStream, 0, uint32(step.code));
        isPlain = false;
        break;
      case "goaway":
        exchange.frame(
          frameType.goaway,
          0,
          goaway(step.counted ? streamId : streamId - 1, step.code),
          0,
        );
        isPlain = false;
    }
  }
  return isResponding;
}

/** Whether the frames hold one whole message and then trailers with OK. */
function mayBeOk(all: readonly Step[]): boolean {
  const isOk = (step: Step) =>
    step.kind === "trailers" && step.end && step.fields["grpc-status"] === "0";
  const at = all.findIndex(isOk);
  const before = all.slice(0, Math.max(0, at));
  const sent = before.flatMap((step) => (step.kind === "data" ? [step.bytes] : []));
  return (
    before.some(({ kind }) => kind === "head") &&
    // The payload of some other frame may be DATA, too.
    (Buffer.concat(sent).equals(whole) || before.some(({ kind }) => kind === "frame"))
  );
}
