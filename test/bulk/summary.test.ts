import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createSummary } from "../../src/bulk/outcome.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer, serverError } from "./model-server.js";

describe("the summary of a run", () => {
  it("counts outcomes so far, with rate and time left", () => {
    let nowMs = 0;
    const summary = createSummary({ total: 4000, now: () => nowMs });
    expect(summary.current()).toMatchObject({ done: 0, perSecond: 0, remainingMs: undefined });
    for (let second = 1; second <= 20; second++) {
      nowMs += 1000;
      for (let i = 0; i < 100; i++) {
        summary.add({ grantId: String(i), status: "removed" });
      }
    }
    const { done, counts, elapsedMs, perSecond, remainingMs } = summary.current();
    expect([done, counts.removed, elapsedMs]).toEqual([2000, 2000, 20_000]);
    expect(perSecond).toBeGreaterThan(90);
    expect(perSecond).toBeLessThan(125);
    expect(remainingMs).toBeCloseTo(2_000_000 / perSecond);
  });

  it("keeps the first failures with their reasons, and counts the rest", () => {
    const summary = createSummary({ keepFailures: 2 });
    summary.add({
      grantId: "1",
      status: "failed",
      error: serverError(Code.PermissionDenied, "EVENT-Shu7e"),
    });
    summary.add({
      grantId: "2",
      status: "failed",
      error: new ConnectError("late", Code.DeadlineExceeded),
      answerLost: true,
    });
    summary.add({
      grantId: "3",
      status: "failed",
      error: new ConnectError("late", Code.DeadlineExceeded),
    });
    summary.add({ grantId: "4", status: "not-found" });
    const { failures, counts, answersLost } = summary.current();
    expect(failures).toEqual([
      { grantId: "1", reason: "something (EVENT-Shu7e)", answerLost: false },
      { grantId: "2", reason: "late", answerLost: true },
    ]);
    expect(counts).toEqual({ failed: 3, "not-found": 1 });
    expect(answersLost).toBe(1);
  });
});

it.each([
  [{ totl: 1 }, 'createSummary: unknown option "totl"; did you mean total?'],
  [{ total: -1 }, "createSummary: total must be a whole number of grants from 0"],
  [{ statuses: "removed" }, "createSummary: statuses must be an array of strings"],
])("a summary of %j is rejected", (options, message) => {
  expect(() => createSummary(options as object)).toThrow(message);
});

describe("summary() of a run", () => {
  function setUp(count: number) {
    const world = new FakeEnvironment(1);
    const server = new ModelServer(world);
    const ids = Array.from({ length: count }, (_, index) => String(index));
    for (const id of ids) {
      server.grants.set(id, "active");
    }
    return { world, server, ids };
  }

  it("runs to completion and counts, once however often it is called", async () => {
    const { world, server, ids } = setUp(1000);
    server.grants.delete("500");
    const run = removeUserGrantsIn(world, server.client, ids, {});
    const { summary } = run;
    const first = summary();
    const { done, counts, failures, elapsedMs } = await world.run(first);
    expect({ done, counts, failures }).toEqual({
      done: 1000,
      counts: { removed: 999, "not-found": 1, failed: 0 },
      failures: [],
    });
    expect(elapsedMs).toBe(world.monotonicMs());
    expect(summary()).toBe(first);
    expect(server.grants.size).toBe(0);
  });

  it("counts the outcomes that a loop consumed, and those after it", async () => {
    const { world, server, ids } = setUp(1000);
    const run = removeUserGrantsIn(world, server.client, ids, {});
    await world.run(
      (async () => {
        for await (const _ of run) {
          break;
        }
      })(),
    );
    const { counts } = await run.summary();
    expect(counts.removed).toBe(1000 - server.grants.size);
  });

  it("counts what was in flight when return() was called while it waited", async () => {
    const { world, server, ids } = setUp(1000);
    server.fate = () => ({ lookUpAfterMs: 100 });
    const run = removeUserGrantsIn(world, server.client, ids, {});
    world.setTimer(() => void run.return?.(), 150);
    const { counts } = await world.run(run.summary());
    expect(counts).toEqual({ removed: 800, "not-found": 0, failed: 0 });
    expect(server.grants.size).toBe(200);
  });

  it.each(["loop first", "summary() first"])(
    "rejects with the error that stopped the run, as a loop does: %s",
    async (order) => {
      const { world, server, ids } = setUp(10);
      server.revokedFrom = 0;
      const run = removeUserGrantsIn(world, server.client, ids, {});
      const loop = async () => {
        for await (const _ of run) {
          // Until it throws.
        }
      };
      const sides = order === "loop first" ? [loop, run.summary] : [run.summary, loop];
      for (const side of sides) {
        await expect(world.run<unknown>(side())).rejects.toMatchObject({
          code: Code.Unauthenticated,
        });
      }
      expect(await run.next()).toEqual({ done: true, value: undefined });
    },
  );
});
