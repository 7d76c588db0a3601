import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { createManagementClient } from "../../src/grpc-web.node.js";
import { frame, message } from "../faults/exchange.js";
import { countEnding, type Tally } from "./tally.js";

/** A part of a body, and what a reader has to take it for. */
interface Part {
  bytes: Buffer;
  is: "message" | "ok" | "other";
}

const isMessage = (bytes: Buffer): Part => ({ bytes, is: "message" });
const isOk = (text: string): Part => ({ bytes: Buffer.from(frame(0x80, text)), is: "ok" });
const isOther = (bytes: Uint8Array): Part => ({ bytes: Buffer.from(bytes), is: "other" });
const trailers = (text: string): Part => isOther(frame(0x80, text));

const whole = Buffer.from(frame(0, message));
const messages = fc.constantFrom(
  ...Array<Part>(5).fill(isMessage(whole)),
  isMessage(Buffer.from(frame(0, ""))),
  isOther(frame(1, message)),
  isOther(frame(2, message)),
  isOther(frame(0x40, message)),
  isOther(frame(0, Uint8Array.of(0x0a, 0x02, 0x08, 0x80))),
  isOther(frame(0, Uint8Array.of(0x0a, 0x7f, 0x08))),
);
const endings = fc.constantFrom(
  ...Array<Part>(8).fill(isOk("grpc-status: 0\r\n")),
  isOk("Grpc-Status:0\r\nGrpc-Message: \r\n"),
  isOk("a: b\r\ngrpc-status:\t0 \r\n"),
  isOk("grpc-status: 0"),
  trailers(""),
  trailers("grpc-message: no status\r\n"),
  trailers("grpc-status: 5\r\ngrpc-message: gone\r\n"),
  trailers("grpc-status: 0\r\ngrpc-status: 0\r\n"),
  trailers("grpc-status: 0\r\ngrpc-status: 5\r\n"),
  trailers("grpc-status: 00\r\n"),
  trailers("grpc-status: \r\n"),
  trailers("grpc-status: 0\nx: y\r\n"),
  trailers("grpc status: 0\r\n"),
  trailers("grpc-status 0\r\n"),
  trailers("grpc-status: 0\r\ngrpc-status-details-bin: CAUSBGdvbmU\r\n"),
  isOther(frame(0x81, "grpc-status: 0\r\n")),
);
const rubbish = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map(isOther),
  // A length of which nothing follows.
  fc.constantFrom(isOther(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff)), isOther(Uint8Array.of(0x80))),
);

const response = fc.record({
  status: fc.constantFrom(200, 200, 200, 200, 200, 200, 404, 503),
  type: fc.constantFrom(
    ...Array<string>(8).fill("application/grpc-web+proto"),
    "application/grpc-web",
    "application/grpc-web+proto; charset=utf-8",
    "application/grpc-web+json",
    "application/grpc-web-text",
    "application/grpc",
    "text/html",
  ),
  headerStatus: fc.option(fc.constantFrom("0", "0", "5", "", "00", "0, 0"), {
    freq: 2,
    nil: undefined,
  }),
  parts: fc.oneof(
    { weight: 4, arbitrary: fc.tuple(messages, endings) },
    { weight: 1, arbitrary: fc.array(fc.oneof(messages, endings, rubbish), { maxLength: 4 }) },
  ),
  /** Where the body is cut off, counted from its end. */
  missing: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 })),
  chunkBytes: fc.constantFrom(1, 2, 5, 7, 1_000),
  breaksOff: fc.constantFrom(false, false, false, true),
});

type Composed = typeof response extends fc.Arbitrary<infer T> ? T : never;

/**
 * Calls again and again, and responds each time with a gRPC-web response of valid and invalid parts. A call
 * must end as a ConnectError unless the response is one whole message and then an OK; then it must go well.
 * Nothing is sent twice.
 */
export async function fuzzWebFrames(numRuns: number, seed: number): Promise<Tally> {
  const tally: Tally = {};
  let current: Composed | undefined;
  let requests = 0;
  const client = createManagementClient({
    baseUrl: "http://localhost",
    fetch: async () => {
      requests += 1;
      return current === undefined ? new Response() : toResponse(current);
    },
  });
  const property = fc.asyncProperty(response, async (composed) => {
    current = composed;
    requests = 0;
    // Its response has fields, so that malformed ones cannot pass as unknown.
    const call = client.deactivateUserGrant({ userId: "1", grantId: "2" });
    const error = await countEnding(tally, call);
    const told = () => JSON.stringify(composed);
    if ((error === undefined) !== mustBeOk(composed)) {
      throw new Error(`${error ?? "taken for a success"}: ${told()}`);
    }
    if (error?.code === Code.DeadlineExceeded) {
      throw new Error(`not ended by itself: ${told()}`);
    }
    if (requests !== 1) {
      throw new Error(`sent ${requests} times: ${told()}`);
    }
  });
  await fc.assert(property, { numRuns, seed, endOnFailure: true });
  return tally;
}

function toResponse({ status, type, headerStatus, missing, ...rest }: Composed): Response {
  const all = Buffer.concat(rest.parts.map(({ bytes }) => bytes));
  const body = all.subarray(0, Math.max(0, all.length - missing));
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < body.length) {
        controller.enqueue(Uint8Array.from(body.subarray(at, at + rest.chunkBytes)));
        at += rest.chunkBytes;
      } else if (rest.breaksOff) {
        controller.error(new TypeError("terminated"));
      } else {
        controller.close();
      }
    },
  });
  const headers = new Headers({ "content-type": type });
  if (headerStatus !== undefined) {
    headers.set("grpc-status", headerStatus);
  }
  return new Response(stream, { status, headers });
}

function mustBeOk({ status, type, headerStatus = "0", parts, missing, breaksOff }: Composed) {
  return (
    status === 200 &&
    /^application\/grpc-web(\+proto.*)?$/.test(type) &&
    headerStatus === "0" &&
    parts.map(({ is }) => is).join() === "message,ok" &&
    missing === 0 &&
    !breaksOff
  );
}
