import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { deactivateUserGrantsIn } from "../../src/bulk/deactivate.js";
import { Pace } from "../../src/bulk/pace.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { Notifier } from "../../src/bulk/stop.js";
import { sleep } from "../../src/common/time.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer } from "./model-server.js";

/** When each request left, of a run that sends each grant alone. */
async function sentMs(
  count: number,
  maxPerSecond: number,
  { tokenMs, pauseMs = 0 }: { tokenMs?: (atMs: number) => number; pauseMs?: number } = {},
): Promise<number[]> {
  const world = new FakeEnvironment(1);
  const server = new ModelServer(world);
  if (tokenMs !== undefined) {
    server.tokenMs = () => tokenMs(world.monotonicMs());
  }
  const grants = Array.from({ length: count }, (_, index) => ({
    userId: "u",
    grantId: `${index}`,
  }));
  for (const { grantId } of grants) {
    server.grants.set(grantId, "active");
  }
  async function* withPause() {
    yield* grants.slice(0, count / 2);
    await sleep(world, pauseMs);
    yield* grants.slice(count / 2);
  }
  const run = deactivateUserGrantsIn(world, server.client, pauseMs > 0 ? withPause() : grants, {
    maxPerSecond,
    concurrency: 100,
  });
  const { counts } = await world.run(run.summary());
  expect(counts.deactivated).toBe(count);
  return server.calls.map(({ startedMs }) => startedMs);
}

/** The most requests in any stretch of this length. */
const mostWithin = (ms: number, sent: readonly number[]) =>
  Math.max(...sent.map((from) => sent.filter((at) => at >= from && at < from + ms).length));

describe("maxPerSecond", () => {
  it.each([0.5, 1, 2.5, 7, 40, 45, 95, 250])(
    "is kept in every second that one may pick, and used: %d",
    async (rate) => {
      const count = Math.max(4, rate * 4);
      const whole = Math.max(1, Math.floor(rate));
      const sent = await sentMs(count, rate);
      expect(mostWithin(1000, sent)).toBeLessThanOrEqual(whole);
      expect(mostWithin(100, sent)).toBeLessThanOrEqual(Math.max(1, whole / 5));
      const secondsAtThatRate = count / Math.min(rate, whole);
      expect(sent.at(-1)).toBeLessThanOrEqual(secondsAtThatRate * 1030);
    },
  );

  it("counts where requests leave: calls that waited for a token do not go out at once", async () => {
    const sent = await sentMs(120, 40, { tokenMs: (atMs) => Math.max(0, 1500 - atMs) });
    expect(sent[0]).toBe(1500);
    expect(mostWithin(1000, sent)).toBeLessThanOrEqual(40);
    expect(mostWithin(100, sent)).toBeLessThanOrEqual(4);
    expect((sent.at(-1) ?? 0) - 1500).toBeLessThanOrEqual(3200);
  });

  it("saves nothing up while there is nothing to send", async () => {
    const sent = await sentMs(120, 40, { pauseMs: 5000 });
    expect(mostWithin(1000, sent)).toBeLessThanOrEqual(40);
  });

  it("counts retries", async () => {
    const world = new FakeEnvironment(1);
    const server = new ModelServer(world);
    server.grants.set("1", "active");
    server.fate = (_, index) =>
      index < 3 ? { failure: { afterMs: 1, code: 13 } } : { lookUpAfterMs: 1 };
    const run = removeUserGrantsIn(world, server.client, ["1"], { maxPerSecond: 0.1 });
    await world.run(run.summary());
    expect(
      mostWithin(
        10_000,
        server.calls.map(({ startedMs }) => startedMs),
      ),
    ).toBe(1);
  });
});

it("requests are sent in the order in which they began to wait, also after a throttled one", async () => {
  const world = new FakeEnvironment(1);
  const { signal } = new AbortController();
  const pace = new Pace(1, 30_000, 300_000, undefined, world);
  const order: string[] = [];
  const next = async (name: string) => {
    await pace.take(signal);
    order.push(name);
    pace.release();
  };
  const throttled = await pace.take(signal);
  const second = next("second");
  pace.throttled(throttled, undefined);
  pace.release();
  await world.run(Promise.all([second, next("first, again")]));
  expect(order).toEqual(["second", "first, again"]);
});

it("a thousand who wait for a change add one listener, and all go on at an abort", async () => {
  const controller = new AbortController();
  const notifier = new Notifier();
  const waits = Array.from({ length: 1000 }, () => notifier.wait(controller.signal));
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  controller.abort();
  await Promise.all(waits);
});
