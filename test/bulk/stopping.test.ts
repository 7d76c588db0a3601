import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { RemoveOutcome } from "../../src/bulk/outcome.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { sleep } from "../../src/common/time.js";
import { notApplied, serverError } from "./model-server.js";
import { numbered, setUp } from "./removals.js";

describe("stopping", () => {
  it.each([
    ["no permission", serverError(Code.NotFound, "AUTHZ-cdgFk")],
    ["a wrong host", notApplied(new ConnectError("unable to set instance", Code.NotFound))],
    ["a role without the permission", serverError(Code.PermissionDenied, "AUTH-5mWD2")],
    ["an unknown organization", serverError(Code.PermissionDenied, "AUTH-Bs7Ds")],
    ["an expired token", serverError(Code.Unauthenticated, "AUTH-7fs1e")],
  ])(
    "%s stops the run with that error, once every id that was read has its outcome",
    async (_, error) => {
      const { remove, collect, server } = setUp();
      server.fate = () => {
        throw error;
      };
      let read = 0;
      let returned = false;
      const source = (function* () {
        try {
          for (; read < 10_000; ) {
            yield String(read++);
          }
        } finally {
          returned = true;
        }
      })();
      const { outcomes, thrown } = await collect(remove(source));
      expect(thrown).toBe(error);
      expect(outcomes).toHaveLength(read);
      expect(outcomes.every((o) => o.status === "failed" && o.error === error)).toBe(true);
      expect(outcomes.some(({ answerLost }) => answerLost)).toBe(false);
      expect(read).toBeLessThanOrEqual(400);
      expect(returned).toBe(true);
    },
  );

  it("an abort cancels requests in flight and reports them as lost", async () => {
    const { world, server, add, remove, collect } = setUp();
    const abort = new AbortController();
    const reason = new Error("shutting down");
    server.fate = () => ({ lookUpAfterMs: 100 });
    world.setTimer(() => abort.abort(reason), 10);
    const { outcomes, thrown } = await collect(
      remove(add(...numbered(800)), { signal: abort.signal }),
    );
    expect(thrown).toMatchObject({ code: Code.Canceled, cause: reason });
    expect(outcomes).toHaveLength(400);
    expect(outcomes.every(({ status, answerLost }) => status === "failed" && answerLost)).toBe(
      true,
    );
  });

  it.each([
    ["a source that does not return", true, false],
    ["a client that ignores its signal", false, true],
    ["all of them", true, true],
  ])("an abort waits a second at most for %s", async (_, sourceHangs, clientHangs) => {
    const { world, collect } = setUp();
    const abort = new AbortController();
    let read = 0;
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: String(read++) }),
        return: () => (sourceHangs ? new Promise<never>(() => {}) : Promise.resolve()),
      }),
    };
    const client = {
      bulkRemoveUserGrant: () => (clientHangs ? new Promise(() => {}) : sleep(world, 20)),
    };
    world.setTimer(() => abort.abort(), 100);
    const { outcomes, thrown } = await collect(
      removeUserGrantsIn(world, client as never, source as never, {
        signal: abort.signal,
        onOutcome: () => (sourceHangs && clientHangs ? new Promise(() => {}) : undefined),
      }),
    );
    expect(thrown).toMatchObject({ code: Code.Canceled });
    expect(world.monotonicMs()).toBeLessThanOrEqual(1150);
    expect(outcomes).toHaveLength(read);
  });

  it.each(["rejects with its reason", "ignores it"])(
    "an abort for the error of another call leaves the doubt about a client that %s",
    async (how) => {
      const { world, collect } = setUp();
      const abort = new AbortController();
      const client = {
        bulkRemoveUserGrant: (_: object, { signal }: { signal: AbortSignal }) =>
          new Promise((_, reject) => {
            if (how !== "ignores it") {
              signal.addEventListener("abort", () => reject(signal.reason));
            }
          }),
      };
      world.setTimer(() => abort.abort(notApplied(new ConnectError("gone", Code.NotFound))), 100);
      const { outcomes } = await collect(
        removeUserGrantsIn(world, client as never, ["1"], { signal: abort.signal }),
      );
      expect(outcomes).toMatchObject([{ grantId: "1", status: "failed", answerLost: true }]);
    },
  );

  it("a client that rejects with what cannot be read leaves doubt", async () => {
    const { world, collect } = setUp();
    const client = { bulkRemoveUserGrant: () => Promise.reject(Object.create(null)) };
    const { outcomes } = await collect(removeUserGrantsIn(world, client as never, ["1"], {}));
    expect(outcomes).toMatchObject([{ grantId: "1", status: "failed", answerLost: true }]);
  });

  it("a request that has not left yet when the run stops is not sent, and leaves no doubt", async () => {
    for (const end of ["abort", "break", "error"] as const) {
      const { world, server, add, remove, collect } = setUp();
      const abort = new AbortController();
      // The first request leaves at once; the others wait for a token, or for their turn.
      server.tokenMs = (index) => (index === 3 ? 500 : 0);
      server.fate = () => ({ lookUpAfterMs: 100 });
      server.revokedFrom = end === "error" ? 0 : Number.POSITIVE_INFINITY;
      if (end === "abort") {
        world.setTimer(() => abort.abort(), 50);
      }
      const seen: RemoveOutcome[] = [];
      const run = remove(add(...numbered(400)), {
        signal: abort.signal,
        maxPerSecond: end === "error" ? 1 : 1000,
        onOutcome: (outcome) => seen.push(outcome),
      });
      if (end === "break") {
        world.setTimer(() => void run.return?.(), 50);
      }
      await collect(run);
      await world.runAll();
      const sent = new Set(server.calls.flatMap(({ ids }) => ids));
      expect(sent.size).toBeLessThan(400);
      for (const { grantId, status, answerLost } of seen) {
        expect(status === "removed" || (answerLost ?? false)).toBe(
          sent.has(grantId) && end !== "error",
        );
      }
    }
  });

  it("an error of the source fails the grants that were read and is rethrown unchanged", async () => {
    const { server, add, remove, collect } = setUp();
    add("1", "2");
    const failure = new Error("disk");
    const source = (function* () {
      yield "1";
      yield "2";
      throw failure;
    })();
    const { outcomes, thrown } = await collect(remove(source));
    expect(thrown).toBe(failure);
    expect(outcomes).toMatchObject([
      { grantId: "1", status: "failed", error: { code: Code.Aborted, cause: failure } },
      { grantId: "2", status: "failed" },
    ]);
    expect(server.calls).toEqual([]);
  });

  it("break waits for requests in flight and passes their outcomes to onOutcome", async () => {
    const { world, server, add, remove } = setUp();
    const seen: RemoveOutcome[] = [];
    let returned = false;
    const ids = add(...numbered(1000));
    const source = (function* () {
      try {
        yield* ids;
      } finally {
        returned = true;
      }
    })();
    server.fate = (_, index) => ({ lookUpAfterMs: index === 0 ? 1 : 40 });
    await world.run(
      (async () => {
        for await (const _ of remove(source, { onOutcome: (outcome) => seen.push(outcome) })) {
          break;
        }
      })(),
    );
    expect(server.inFlight).toBe(0);
    expect(seen.filter(({ status }) => status === "removed").length).toBe(
      server.calls.length * 100,
    );
    expect(1000 - server.grants.size).toBe(server.calls.length * 100);
    expect(returned).toBe(true);
  });

  it.each<[string, (full: Error) => unknown]>([
    [
      "thrown",
      (full) => {
        throw full;
      },
    ],
    ["a promise", (full) => Promise.reject(full)],
    [
      "a promise of another library, whenever that rejects",
      (full) => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        then: (_: unknown, reject: (reason: Error) => void) => {
          setImmediate(() => reject(full));
        },
      }),
    ],
  ])("an error of onOutcome stops the run: %s", async (_, returned) => {
    const { server, add, remove, collect } = setUp();
    const full = new Error("disk full");
    const { thrown } = await collect(
      remove(add(...numbered(10_000)), { onOutcome: () => returned(full) }),
    );
    expect(thrown).toBe(full);
    expect(server.calls.length).toBeLessThan(20);
    const last = await collect(remove(["gone"], { onOutcome: () => returned(full) }));
    expect(last.thrown).toBe(full);
  });
});

describe("pressure", () => {
  it("a batch that is throttled for giveUpMs while others are not has failed, and the run continues", async () => {
    const { world, server, add, remove, collect } = setUp();
    server.fate = ({ ids }) =>
      ids.includes("0")
        ? { failure: { afterMs: 1, code: Code.ResourceExhausted, notProcessed: true } }
        : { lookUpAfterMs: 1 };
    const ids = add(...numbered(400));
    async function* source() {
      yield* ids.slice(0, 200);
      for (const id of ids.slice(200)) {
        await sleep(world, 100);
        yield id;
      }
    }
    const { outcomes, thrown } = await collect(remove(source(), { giveUpMs: 10_000 }));
    expect(thrown).toBeUndefined();
    expect(outcomes.filter(({ status }) => status === "failed")).toHaveLength(100);
    expect(outcomes.filter(({ status }) => status === "removed")).toHaveLength(300);
    const throttled = server.calls.filter(({ ids }) => ids.includes("0"));
    expect(throttled.at(-1)?.startedMs).toBeGreaterThanOrEqual(9_000);
    expect(throttled.at(-1)?.startedMs).toBeLessThan(20_000);
  });

  it.each([
    ["at the defaults", {}, {}],
    ["with short times", {}, { timeoutMs: 200, giveUpMs: 3_000 }],
    ["one request at a time", {}, { concurrency: 1 }],
    ["one grant in a request", {}, { concurrency: 1, batchSize: 1 }],
    ["with a connection that breaks", { failure: { afterMs: 1, code: Code.Unavailable } }, {}],
    ["with an internal error", { failure: { afterMs: 1, code: Code.Internal } }, {}],
  ])(
    "a grant whose requests are lost for ever is isolated, and the others are removed: %s",
    async (_, lost, options) => {
      for (let index = 0; index < 100; index++) {
        const { server, add, remove, collect } = setUp();
        const ids = add(...numbered(100));
        const cause = ids[index] ?? "";
        const isOfCause = (call: { readonly ids: readonly string[] }) => call.ids.includes(cause);
        server.fate = (call) => (isOfCause(call) ? lost : { lookUpAfterMs: 1 });
        const { outcomes, of, thrown } = await collect(remove(ids, options));
        // After the last grants of a list there is nothing that the server could accept: they are waited for.
        expect(thrown !== undefined, cause).toBe(index >= 97 && "batchSize" in options);
        expect(of(cause), cause).toMatchObject({ status: "failed", answerLost: true });
        expect(outcomes.filter(({ status }) => status === "removed")).toHaveLength(99);
        expect(server.calls.filter(isOfCause).length).toBeLessThanOrEqual(thrown ? 20 : 12);
      }
    },
  );

  it("sends fewer at a time, and more again when the server accepts them", async () => {
    const { server, add, remove, collect } = setUp();
    const inFlight: number[] = [];
    server.fate = (_, index) => {
      inFlight.push(server.inFlight);
      return index >= 4 && index < 8
        ? { failure: { afterMs: 1, code: Code.ResourceExhausted } }
        : { lookUpAfterMs: 20 };
    };
    await collect(remove(add(...numbered(4000))));
    expect(Math.max(...inFlight.slice(8, 10))).toBeLessThanOrEqual(2);
    expect(Math.max(...inFlight.slice(20))).toBe(4);
  });

  it("waits as long as Retry-After asks", async () => {
    const { server, add, remove, collect } = setUp();
    server.fate = (_, index) =>
      index === 0
        ? { failure: { afterMs: 1, code: Code.Unavailable, retryAfter: "7" } }
        : { lookUpAfterMs: 1 };
    await collect(remove(add("1")));
    expect(server.calls[1]?.startedMs).toBeGreaterThanOrEqual(7000);
    expect(server.calls[1]?.startedMs).toBeLessThan(7100);
  });

  it("stops with the last error when the server accepts nothing for giveUpMs", async () => {
    const { world, server, remove, collect } = setUp();
    server.fate = () => ({ failure: { afterMs: 1, code: Code.Unavailable } });
    const { thrown, outcomes } = await collect(remove(numbered(100_000), { giveUpMs: 60_000 }));
    expect(thrown).toMatchObject({ code: Code.Unavailable });
    expect(world.monotonicMs()).toBeGreaterThan(59_000);
    expect(world.monotonicMs()).toBeLessThan(62_000);
    // The server was asked seldom, and few batches were given up.
    expect(server.calls.length).toBeLessThan(30);
    expect(outcomes.length).toBeLessThanOrEqual(800);
  });

  it.each([
    ["default", 30_000, 300_000],
    ["time limits that are longer", 30_000, 5_000],
    ["time limits that are much shorter", 100, 60_000],
  ])(
    "stops within giveUpMs and a time limit when the server does not respond: %s",
    async (_, timeoutMs, giveUpMs) => {
      const { world, server, add, remove, collect } = setUp();
      // Two requests get their responses first.
      server.fate = (_, index) => (index < 2 ? { lookUpAfterMs: 1 } : {});
      const options = { timeoutMs, giveUpMs, batchSize: 1 };
      const { thrown } = await collect(remove(add(...numbered(10_000)), options));
      expect(thrown).toMatchObject({ code: Code.DeadlineExceeded });
      expect(world.monotonicMs()).toBeGreaterThanOrEqual(giveUpMs * 0.9);
      expect(world.monotonicMs()).toBeLessThanOrEqual(giveUpMs + timeoutMs + 2);
    },
  );

  it("does not count the time in which it had nothing to request", async () => {
    const { world, server, add, remove, collect } = setUp();
    const [first = "", second = ""] = add("1", "2");
    async function* slow() {
      yield first;
      await sleep(world, 3_600_000);
      yield second;
    }
    server.fate = (_, index) =>
      index < 6 ? { failure: { afterMs: 1, code: Code.Internal } } : { lookUpAfterMs: 1 };
    const { outcomes, thrown } = await collect(remove(slow()));
    expect(thrown).toBeUndefined();
    expect(outcomes.map(({ status }) => status)).toEqual(["failed", "removed"]);
  });

  it.each([
    [
      "the machine has slept for longer than giveUpMs",
      ...[3_600_000, new ConnectError("the connection was lost", Code.Unavailable)],
      {},
    ],
    [
      "what comes when the time is up: a lookup that the server's own deadline cut off",
      ...[1_000, serverError(Code.PermissionDenied, "AUTH-Bs7Ds")],
      { timeoutMs: 1_000 },
    ],
  ] as const)("goes on after %s", async (_, failsAfterMs, error, options) => {
    const { world, collect } = setUp();
    let requests = 0;
    const client = {
      async bulkRemoveUserGrant() {
        requests += 1;
        if (requests === 1) {
          await sleep(world, failsAfterMs);
          throw error;
        }
      },
    };
    const { outcomes, thrown } = await collect(
      removeUserGrantsIn(world, client as never, ["1"], options),
    );
    expect(thrown).toBeUndefined();
    expect(outcomes).toEqual([{ grantId: "1", status: "removed" }]);
  });

  it("stops at once when asked to wait longer than it would", async () => {
    const { world, server, remove, collect } = setUp();
    server.fate = () => ({
      failure: { afterMs: 1, code: Code.ResourceExhausted, retryAfter: "3600" },
    });
    const { thrown } = await collect(remove(["1"]));
    expect(thrown).toMatchObject({ code: Code.ResourceExhausted });
    expect(world.monotonicMs()).toBeLessThan(10);
  });
});
