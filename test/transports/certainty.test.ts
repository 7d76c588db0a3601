import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayHaveBeenApplied } from "../../src/errors/certainty.js";
import type { RetryOptions } from "../../src/grpc-web.js";
import {
  contentTypes,
  type Exchange,
  finish,
  messageBytes,
  type Protocol,
  respondWell,
  type WireServer,
} from "../faults/exchange.js";
import { startWireServer } from "../faults/wire.js";
import { entries, protocols } from "../support/protocols.js";

/** How the server ends a request, having carried it out or not: nothing but `decides` tells. */
interface Answer {
  readonly name: string;
  /** Whether it says, by the protocol, that the request was not carried out. */
  readonly decides: boolean;
  give(exchange: Exchange): void;
}

const statusAnswer = (code: Code): Answer => ({
  name: `status ${Code[code]}`,
  decides: ![
    Code.Unavailable,
    Code.DeadlineExceeded,
    Code.Canceled,
    Code.Unknown,
    Code.Internal,
    Code.Aborted,
    Code.DataLoss,
  ].includes(code),
  give(exchange) {
    const status = { "grpc-status": String(code), "grpc-message": "x" };
    if (exchange.protocol === "json") {
      exchange.head({ "content-type": "application/json" }, 500);
      exchange.body(JSON.stringify({ code, message: "x" }));
      exchange.end();
    } else {
      exchange.head();
      finish(exchange, status);
    }
  },
});

const pageAnswer = (status: number, decides: boolean): Answer => ({
  name: `page ${status}`,
  decides,
  give(exchange) {
    exchange.head({ "content-type": "text/html", location: "/" }, status);
    exchange.body("<html>");
    exchange.end();
  },
});

/** The call may have failed for another attempt all the same. */
const ok: Answer = {
  name: "OK",
  decides: false,
  give(exchange) {
    if (exchange.protocol === "json" && exchange.path.endsWith("_bulk")) {
      exchange.head();
      exchange.body("{}");
      exchange.end();
    } else {
      respondWell(exchange);
    }
  },
};
const lost: Answer = {
  name: "connection lost",
  decides: false,
  give: ({ socket }) => socket.destroy(),
};
const brokenOff: Answer = {
  name: "broken off",
  decides: false,
  give(exchange) {
    exchange.head();
    exchange.body(messageBytes(exchange.protocol).subarray(0, 6));
    exchange.socket.end();
  },
};
const undecodable: Answer = {
  name: "undecodable",
  decides: false,
  give(exchange) {
    exchange.head();
    exchange.body(exchange.protocol === "json" ? "[" : Uint8Array.of(0, 0, 0, 0, 1, 255));
    finish(exchange);
  },
};
/** A status in the headers, and what follows. */
const early = (what: string, decides: boolean, follow: (exchange: Exchange) => void): Answer => ({
  name: `a status in the headers, and ${what}`,
  decides,
  give(exchange) {
    exchange.head({ "content-type": contentTypes[exchange.protocol], "grpc-status": "5" });
    follow(exchange);
  },
});
const statusInHeaders: readonly Answer[] = [
  early("nothing", true, (exchange) => exchange.end()),
  early("trailers without one", true, (exchange) => finish(exchange, { "x-other": "1" })),
  early("an OK", false, (exchange) => finish(exchange)),
  early("a message and an OK", false, (exchange) => {
    exchange.body(messageBytes(exchange.protocol));
    finish(exchange);
  }),
  early("a message", false, (exchange) => {
    exchange.body(messageBytes(exchange.protocol));
    exchange.end();
  }),
  early("half a message", false, (exchange) => {
    exchange.body(messageBytes(exchange.protocol).subarray(0, 6));
    exchange.socket.end();
  }),
  early("a message that does not decode", false, (exchange) => {
    exchange.body(Uint8Array.of(0, 0, 0, 0, 1, 255));
    exchange.end();
  }),
  early("a lost connection", false, lost.give),
];
const reset = (code: number, decides: boolean): Answer => ({
  name: `reset ${code}`,
  decides,
  give: (exchange) => exchange.frame(3, 0, Uint8Array.of(0, 0, 0, code)),
});

const common = [
  lost,
  brokenOff,
  undecodable,
  ...Array.from({ length: 16 }, (_, index) => statusAnswer((index + 1) as Code)),
  ...[301, 307, 401, 404, 405, 413, 414, 421, 429, 431].map((status) => pageAnswer(status, true)),
  ...[200, 300, 306, 403, 500, 502, 503, 504].map((status) => pageAnswer(status, false)),
];
const answers: Record<Protocol, Answer[]> = {
  grpc: [
    ...common,
    ...statusInHeaders,
    reset(2, false),
    reset(8, false),
    reset(11, false),
    reset(7, true),
  ],
  "grpc-web": [...common, ...statusInHeaders],
  json: common,
};

const again: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch {
    return await next(request);
  }
};
/** Two at once; the error is that of the one that ended first. */
const hedge: Interceptor = (next) => async (request) => {
  const both = [next(request), next(request)] as const;
  await Promise.allSettled(both);
  return await Promise.race(both);
};
const wrap: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (cause) {
    throw new ConnectError(
      "the program's own",
      Code.FailedPrecondition,
      undefined,
      undefined,
      cause,
    );
  }
};

describe.each(protocols)("over %s", (protocol) => {
  let server: WireServer;
  let left: Answer[] = [];
  let given: Answer[] = [];
  const respond = (exchange: Exchange) => {
    const answer = left.shift() ?? ok;
    given.push(answer);
    answer.give(exchange);
  };

  beforeAll(async () => {
    server = await startWireServer(protocol, { respond });
  });
  afterAll(() => server.close());

  const scenario = fc.record({
    steps: fc.array(fc.constantFrom(...answers[protocol]), { minLength: 1, maxLength: 7 }),
    interceptors: fc.constantFrom<Interceptor[]>([], [again], [hedge], [wrap], [wrap, again]),
    retry: fc.constantFrom<RetryOptions | undefined>(
      undefined,
      { retryableStatusCodes: [Code.Unavailable] },
      {
        retryableStatusCodes: [
          Code.Unavailable,
          Code.Internal,
          Code.ResourceExhausted,
          Code.Unknown,
        ],
      },
    ),
    isIdempotent: fc.boolean(),
    /** Which calls of the token source fail, and whether the others return another token each time. */
    tokens: fc.constantFrom("one", "another", "fails later"),
  });

  it("an error is in doubt exactly if an attempt was left undecided, however many there were", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ steps, interceptors, retry, isIdempotent, tokens }) => {
        left = [...steps];
        given = [];
        let asked = 0;
        const client = entries[protocol].createManagementClient({
          baseUrl: server.baseUrl,
          interceptors,
          retry: retry && {
            ...retry,
            initialBackoffMs: 1,
            maxAttempts: 4,
            maxTokens: 1000,
            maxRetryAfterMs: 0,
          },
          token: () => {
            asked += 1;
            if (tokens === "fails later" && asked > 1) {
              throw new Error("the vault is sealed");
            }
            return tokens === "another" ? `token-${asked}` : "token";
          },
        });
        const error: unknown = await (isIdempotent
          ? client.deactivateUserGrant({ userId: "1", grantId: "2" })
          : client.bulkRemoveUserGrant({ grantId: ["2"] })
        ).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        entries[protocol].close(client);
        if (error === undefined) {
          return;
        }
        const names = given.map(({ name }) => name).join(", ");
        const inDoubt = given.some(({ decides }) => !decides);
        expect(mayHaveBeenApplied(error), `${names}: ${error}`).toBe(inDoubt);
        if (inDoubt) {
          expect(String(error)).not.toMatch(/nothing was sent|was not carried out/);
        }
        if (!isIdempotent && interceptors.length === 0) {
          // What may have been carried out is not sent again.
          expect(
            given.slice(0, -1).every(({ decides }) => decides),
            names,
          ).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});
