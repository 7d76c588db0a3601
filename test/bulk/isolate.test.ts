import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isolate } from "../../src/bulk/isolate.js";

/** Isolates among the numbers below `size`, and says how many requests that took. */
async function cost(size: number, blockers: ReadonlySet<number>): Promise<number> {
  const settled: number[] = [];
  let requests = 0;
  await isolate(
    Array.from({ length: size }, (_, index) => index),
    async (group) => {
      requests += 1;
      const blocked = group.some((item) => blockers.has(item));
      if (!blocked || group.length === 1) {
        settled.push(...group);
      }
      return blocked ? "blocked" : "settled";
    },
  );
  expect(settled.toSorted((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
  return requests;
}

describe("isolating the items that make a whole request fail", () => {
  it("takes one request when there are none", async () => {
    expect(await cost(100, new Set())).toBe(1);
  });

  it("takes at most 15 requests for one of 100, wherever it is", async () => {
    for (let position = 0; position < 100; position++) {
      expect(await cost(100, new Set([position]))).toBeLessThanOrEqual(15);
    }
  });

  it.each([1, 2, 3, 7, 10, 50, 100, 1000])(
    "takes at most n + 20 requests for all of %i",
    async (size) => {
      expect(await cost(size, new Set(Array(size).keys()))).toBeLessThanOrEqual(size + 20);
    },
  );

  it("settles each item once, and takes no more than k log(n/k) requests for k of n", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1000 }).chain((size) =>
          fc.record({
            size: fc.constant(size),
            blockers: fc.uniqueArray(fc.nat(size - 1), { maxLength: size }),
          }),
        ),
        async ({ size, blockers }) => {
          const k = Math.max(1, blockers.length);
          const bound = 3 * k * Math.log2(size / k) + 2 * k + 15;
          expect(await cost(size, new Set(blockers))).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: 300 },
    );
  });
});
