import { describe, expect, it } from "vitest";
import { deactivateUserGrantsIn } from "../../src/bulk/deactivate.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer } from "./model-server.js";

/** When each request of a run over so many grants, one a request, was sent. */
async function sentMs(count: number, maxPerSecond: number, responseMs = 1): Promise<number[]> {
  const world = new FakeEnvironment(1);
  const server = new ModelServer(world);
  server.fate = () => ({ workAfterMs: 1, responseMs });
  const grants = Array.from({ length: count }, (_, index) => ({
    userId: "u",
    grantId: String(index),
  }));
  for (const { grantId } of grants) {
    server.grants.set(grantId, "active");
  }
  const run = deactivateUserGrantsIn(world, server.client, grants, { maxPerSecond });
  const { counts } = await world.run(run.summary());
  expect(counts).toEqual({
    deactivated: count,
    "already-inactive": 0,
    "not-found": 0,
    failed: 0,
  });
  return server.calls.map(({ startedMs }) => startedMs);
}

describe("maxPerSecond", () => {
  it.each([0.5, 1, 7, 40, 250])("is kept in every second, and used: %d", async (rate) => {
    const count = Math.max(3, rate * 4);
    const sent = await sentMs(count, rate);
    for (const startMs of sent) {
      const inSecond = sent.filter((ms) => ms >= startMs && ms < startMs + 999.999).length;
      expect(inSecond).toBeLessThanOrEqual(Math.max(1, rate));
    }
    const tookMs = (sent.at(-1) ?? 0) - (sent[0] ?? 0);
    expect(tookMs).toBeLessThanOrEqual((count * 1000) / rate);
    expect(tookMs).toBeGreaterThanOrEqual(((count - Math.max(1, rate / 10)) * 1000) / rate - 1);
  });

  it("counts retries", async () => {
    const world = new FakeEnvironment(1);
    const server = new ModelServer(world);
    server.grants.set("1", "active");
    server.fate = (_, index) =>
      index < 3 ? { failure: { afterMs: 1, code: 13 } } : { workAfterMs: 1 };
    const run = removeUserGrantsIn(world, server.client, ["1"], { maxPerSecond: 0.1 });
    await world.run(run.summary());
    expect(server.calls.map(({ startedMs }) => startedMs)).toEqual([0, 10_000, 20_000, 30_000]);
  });

  it("does not make up for time in which the server was slow", async () => {
    const sent = await sentMs(40, 40, 1000);
    expect(sent.filter((ms) => ms < 1000)).toHaveLength(8);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 100_001, "40"])("is not %s", (value) => {
    const { client } = new ModelServer(new FakeEnvironment(1));
    expect(() =>
      removeUserGrantsIn(new FakeEnvironment(1), client, [], { maxPerSecond: value as number }),
    ).toThrow(
      /^maxPerSecond must be a number of requests a second, above 0 and up to 100000; got /,
    );
  });
});
