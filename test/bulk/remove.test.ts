import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { removeUserGrants, removeUserGrantsIn } from "../../src/bulk/remove.js";
import { sleep } from "../../src/common/time.js";
import { mayHaveBeenApplied } from "../../src/errors/certainty.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer } from "./model-server.js";
import { numbered, setUp } from "./removals.js";

describe("removing", () => {
  it("reports each id once, and sends 100 in a request and 4 requests at a time", async () => {
    const { server, add, remove, collect } = setUp();
    const ids = add(...numbered(1000));
    const again = ids.slice(0, 300);
    const { outcomes } = await collect(
      remove([...ids, ...again], { orgId: "77", timeoutMs: 1234 }),
    );
    expect(outcomes).toEqual(ids.map((grantId) => ({ grantId, status: "removed" })));
    expect(server.calls.flatMap((call) => call.ids)).toEqual(ids);
    expect(server.calls.map((call) => call.ids.length)).toEqual(Array(10).fill(100));
    expect(server.mostInFlight).toBe(4);
    expect(server.calls[0]?.header.get("x-zitadel-orgid")).toBe("77");
    expect(server.calls[0]?.timeoutMs).toBe(1234);
  });

  it("does nothing before the first outcome is requested, and nothing when left before", async () => {
    const { server, remove } = setUp();
    let read = false;
    const source = (function* () {
      read = true;
      yield "1";
    })();
    const run = remove(source);
    await run.return?.();
    expect(await run.next()).toEqual({ done: true, value: undefined });
    expect([read, server.calls.length]).toEqual([false, 0]);
  });

  it("drops a duplicate that arrives before the first one has its outcome when ids are declared distinct", async () => {
    const { server, add, remove, collect } = setUp();
    add("1", "2", "3");
    const { outcomes } = await collect(
      remove(["1", "2", "1", "3", "1"], { distinct: true, batchSize: 5, concurrency: 1 }),
    );
    expect(outcomes).toEqual(["1", "2", "3"].map((grantId) => ({ grantId, status: "removed" })));
    expect(server.calls.map(({ ids }) => ids)).toEqual([["1", "2", "3"]]);
    const later = await collect(
      remove(["1", "2", "1"], { distinct: true, batchSize: 1, concurrency: 1 }),
    );
    expect(later.outcomes.map(({ status }) => status)).toEqual(Array(3).fill("not-found"));
  });

  it("isolates unknown and foreign grants and removes the others", async () => {
    const { server, add, remove, collect } = setUp();
    const ids = add(...numbered(100));
    server.grants.delete("17");
    server.grants.set("60", "foreign");
    const { outcomes, of } = await collect(remove(ids));
    expect(of("17")).toEqual({ grantId: "17", status: "not-found" });
    expect(of("60")).toMatchObject({ status: "failed", error: { code: Code.PermissionDenied } });
    expect(outcomes.filter(({ status }) => status === "removed")).toHaveLength(98);
    expect(server.calls.length).toBeLessThanOrEqual(28);
  });

  it.each([
    ["a line end of Windows", "1\r", "U+000D"],
    ["a space before it", " 1", "U+0020"],
    ["a byte order mark", "\ufeff1", "U+FEFF"],
    ["a zero-width space", "1\u200b", "U+200B"],
    ["a tab in it", "1\t1", "U+0009"],
    ["a variation selector", "1\ufe0f", "U+FE0F"],
    ["a Hangul filler", "1\u3164", "U+3164"],
    ["a tag of plane 14", "1\u{e0100}", "U+E0100"],
    ["a Braille pattern without dots", "1\u2800", "U+2800"],
  ])("does not take an id with %s for one that is gone", async (_, id, character) => {
    const { server, add, remove, collect } = setUp();
    add("1");
    const { outcomes } = await collect(remove([id, "1", "a b"]));
    expect(outcomes).toMatchObject([
      { grantId: id, status: "failed", error: { code: Code.InvalidArgument } },
      { grantId: "1", status: "removed" },
      { grantId: "a b", status: "not-found" },
    ]);
    expect(outcomes[0]?.error?.message).toContain(character);
    expect(server.calls.flatMap(({ ids }) => ids)).not.toContain(id);
  });

  it("reports every value that is not an id, and drops no id because of one that reads the same", async () => {
    const { server, add, remove, collect } = setUp();
    add("42");
    const values = [42, {}, { grantId: "1" }, undefined, undefined, "42", "", "", "a\0b", "\ud800"];
    const { outcomes } = await collect(remove(values as string[]));
    expect(outcomes.map(({ grantId, status }) => [grantId, status])).toEqual([
      ["42", "failed"],
      ["[object Object]", "failed"],
      ["[object Object]", "failed"],
      ["undefined", "failed"],
      ["undefined", "failed"],
      ["", "failed"],
      ["a\0b", "failed"],
      ["\ud800", "failed"],
      ["42", "removed"],
    ]);
    expect(server.calls.map(({ ids }) => ids)).toEqual([["42"]]);
  });

  it("takes more ids in a request than a function takes arguments", async () => {
    const requests: number[] = [];
    const client = {
      async bulkRemoveUserGrant({ grantId }: { grantId: string[] }) {
        requests.push(grantId.length);
      },
    };
    const run = removeUserGrants(client as never, numbered(130_000), { batchSize: 1_000_000 });
    expect((await run.summary()).counts.removed).toBe(130_000);
    expect(requests).toEqual([130_000]);
  }, 60_000);

  it("isolates an id that the server rejects for a reason of its own", async () => {
    const { server, add, remove, collect } = setUp();
    const ids = add(...numbered(50));
    server.grants.set("20", "failing");
    const { outcomes, of } = await collect(remove(ids));
    expect(of("20")).toMatchObject({ status: "failed", error: { code: Code.Internal } });
    expect(outcomes.filter(({ status }) => status === "removed")).toHaveLength(49);
  });

  it("does not split a batch forever when the server only fails", async () => {
    const { server, add, remove, collect } = setUp();
    server.fate = () => ({ failure: { afterMs: 1, code: Code.Internal } });
    const { outcomes } = await collect(remove(add(...numbered(100))));
    expect(outcomes.every(({ status, answerLost }) => status === "failed" && answerLost)).toBe(
      true,
    );
    expect(server.calls.length).toBeLessThanOrEqual(30);
  });

  it("keeps a request below 4 MiB, counted in bytes", async () => {
    const { server, add, remove, collect } = setUp();
    const ids = add(...numbered(60, "é".repeat(60_000)));
    const { outcomes } = await collect(remove(ids));
    expect(outcomes.every(({ status }) => status === "removed")).toBe(true);
    for (const call of server.calls) {
      expect(Buffer.byteLength(call.ids.join(""))).toBeLessThan(4 * 1024 * 1024);
    }
    expect(server.calls.length).toBeLessThanOrEqual(3);
    const tooLong = "x".repeat(4 * 1024 * 1024);
    const alone = await collect(remove([tooLong]));
    expect(alone.outcomes).toMatchObject([
      { status: "failed", error: { code: Code.InvalidArgument } },
    ]);
    expect(mayHaveBeenApplied(alone.outcomes[0]?.error)).toBe(false);
  });
});

describe("lost responses", () => {
  it("what was certainly not processed leaves no doubt", async () => {
    const { server, remove, collect } = setUp();
    server.fate = (_, index) =>
      index === 0
        ? { failure: { afterMs: 5, code: Code.ResourceExhausted, notProcessed: true } }
        : { lookUpAfterMs: 1 };
    const { outcomes } = await collect(remove(["gone"]));
    expect(outcomes).toEqual([{ grantId: "gone", status: "not-found" }]);
  });

  it("a later removal proves nothing about a lost request, whose write looks at nothing again", async () => {
    const { server, add, remove, collect } = setUp();
    // The database stalls until all requests have been looked up, and a gateway gives up the first five.
    server.fate = ({ startedMs }, index) => ({
      lookUpAfterMs: 1,
      writeMs: Math.max(0, 20_000 - startedMs),
      failure: index < 5 ? { afterMs: 5, code: Code.Internal } : undefined,
    });
    const { of } = await collect(remove(add("0", "1", "2", "3")));
    expect(of("1")).toEqual({ grantId: "1", status: "removed" });
    expect(of("3")).toEqual({ grantId: "3", status: "not-found", answerLost: true });
  });

  it("only a response about the grant itself takes its doubt away", async () => {
    const { server, add, remove, collect } = setUp();
    const ids = add("0", "1", "2");
    server.grants.set("0", "foreign");
    server.grants.delete("1");
    server.fate = (_, index) =>
      index === 0 ? { failure: { afterMs: 5, code: Code.Unavailable } } : { lookUpAfterMs: 1 };
    const { of } = await collect(remove(ids));
    expect(of("0")).toMatchObject({ status: "failed", error: { code: Code.PermissionDenied } });
    expect(of("0")).not.toHaveProperty("answerLost");
    expect(of("1")).toEqual({ grantId: "1", status: "not-found", answerLost: true });
    expect(of("2")).toEqual({ grantId: "2", status: "removed" });
  });

  it("a grant in doubt since an earlier run stays so until it is removed", async () => {
    const { world, server, add, collect } = setUp();
    add("1", "2");
    const inDoubt = new Set(["0", "1"]);
    const { outcomes } = await collect(
      removeUserGrantsIn(world, server.client, ["0", "1", "2", "3"], {}, inDoubt),
    );
    expect(outcomes.toSorted((a, b) => a.grantId.localeCompare(b.grantId))).toEqual([
      { grantId: "0", status: "not-found", answerLost: true },
      { grantId: "1", status: "removed" },
      { grantId: "2", status: "removed" },
      { grantId: "3", status: "not-found" },
    ]);
  });

  it("a batch that only times out is split, until its parts are fast enough", async () => {
    const { server, add, remove, collect } = setUp();
    server.fate = ({ ids }) => ({ lookUpAfterMs: 500 * ids.length });
    const { outcomes, thrown } = await collect(
      remove(add(...numbered(100)), { timeoutMs: 15_000 }),
    );
    expect(thrown).toBeUndefined();
    expect(outcomes).toHaveLength(100);
    expect(outcomes.every(({ status }) => ["removed", "not-found"].includes(status))).toBe(true);
    expect(server.calls.map(({ ids }) => ids.length).slice(0, 4)).toEqual([100, 100, 25, 75]);
  });
});

describe("the source", () => {
  it("is read no faster than requests are sent, nor while outcomes are not consumed", async () => {
    const { world, server, remove } = setUp();
    let read = 0;
    const source = (function* () {
      for (;;) {
        server.grants.set(String(read), "active");
        yield String(read++);
      }
    })();
    const run = remove(source);
    await world.run(run.next());
    await world.runAll();
    expect(read).toBeLessThanOrEqual(900);
    await world.run((async () => run.return?.())());
  });

  it.each([
    ["Symbol.iterator", { [Symbol.iterator]: () => ({ next: () => undefined }) }],
    ["Symbol.asyncIterator", { [Symbol.asyncIterator]: () => ({ next: async () => undefined }) }],
  ])("ends the run when next() of its %s returns nothing", async (_, source) => {
    const { remove, collect } = setUp();
    const { outcomes, thrown } = await collect(remove(source as never));
    expect(outcomes).toEqual([]);
    expect(thrown).toBeInstanceOf(TypeError);
  });

  it.each<[string, () => string]>([
    ["repeats itself", () => "1"],
    ["yields no id", () => " "],
  ])("lets an abort through while it %s", async (_, value) => {
    const { world, remove, collect } = setUp();
    const abort = new AbortController();
    let read = 0;
    function* endless() {
      for (; read < 100_000; read++) {
        yield value();
      }
    }
    world.setTimer(() => abort.abort(), 0);
    const { thrown } = await collect(remove(endless(), { signal: abort.signal }));
    expect(thrown).toMatchObject({ code: Code.Canceled });
    expect(read).toBeLessThan(30_000);
  });

  it("has its grants sent before it ends, when it is slow", async () => {
    const { world, add, remove } = setUp();
    add("1", "2");
    const found: string[] = [];
    async function* waiting() {
      yield "1";
      while (found.length === 0) {
        await sleep(world, 10);
      }
      yield "2";
    }
    await world.run(
      (async () => {
        for await (const { grantId } of remove(waiting())) {
          found.push(grantId);
        }
      })(),
    );
    expect(found).toEqual(["1", "2"]);
  });
});

describe("input that is rejected before anything is read", () => {
  const { client } = new ModelServer(new FakeEnvironment(1));
  const withOptions = (options: object) => () => removeUserGrants(client, [], options);
  it.each([
    [() => removeUserGrants({} as never, []), /^client must be a client of .*ManagementService/],
    [() => removeUserGrants(client, "1234" as never), /^grantIds must be an Iterable/],
    [withOptions({ batchSize: 0 }), /^batchSize must be .* got 0/],
    [withOptions({ concurrency: 1.5 }), /^concurrency must be .* got 1.5/],
    [withOptions({ timeoutMs: 0 }), /^timeoutMs must be/],
    [withOptions({ giveUpMs: Number.NaN }), /^giveUpMs must be .* got NaN/],
    [withOptions({ orgId: "a b" }), /^orgId must be/],
    [withOptions({ signal: {} }), /^signal must be an AbortSignal/],
    [withOptions({ distinct: 1 }), /^distinct must be true or false/],
    [withOptions({ onOutcome: 1 }), /^onOutcome must be a function/],
    [withOptions({ maxPerSecond: 0 }), /^maxPerSecond must be .* above 0 and up to 100000; got 0/],
    [withOptions({ maxPerSecond: Number.NaN }), /^maxPerSecond must be .* got NaN/],
    [withOptions({ batchsize: 5 }), /did you mean batchSize/],
  ])("case %#", (call, message) => {
    expect(call).toThrow(TypeError);
    expect(call).toThrow(message);
  });
});
