import { describe, expect, it } from "vitest";
import { createGroupSizes, findGroupSizes } from "../../src/bulk/group-sizes.js";
import { seed } from "../support/seed.js";
import { cost, limits, meanCost } from "./group-testing.js";

describe(`what a list costs of which some are gone (seed ${seed})`, () => {
  // A few lists scatter by some percent; the mean of 200 is held to the limit itself where time allows.
  it.each(limits)("$share of 10,000", async ({ share, requestsPerId, serverSeconds }) => {
    const mean = await meanCost(share, 3, seed);
    const scatter = share === 0 || share === 1 ? 1 : 1.06;
    expect(mean.requestsPerId).toBeLessThanOrEqual(requestsPerId * scatter);
    expect(mean.serverSeconds).toBeLessThanOrEqual(serverSeconds * scatter);
  });

  it.each([
    ["the first half, the rest are there", (i: number) => i < 5000, 0.55],
    ["the second half, the others are there", (i: number) => i >= 5000, 0.56],
    ["every other thousand", (i: number) => i % 2000 < 1000, 0.65],
    ["every fourth", (i: number) => i % 4 === 0, 1],
  ])("gone are %s", async (_, isGone, requestsPerId) => {
    const list = Array.from({ length: 10_000 }, (_, index) => isGone(index));
    expect((await cost(list)).requestsPerId).toBeLessThanOrEqual(requestsPerId);
  });

  it.each([
    ["one at the start", (i: number) => i === 0, 15],
    ["one in the middle", (i: number) => i === 50, 15],
    ["the last", (i: number) => i === 99, 15],
    ["every fifth", (i: number) => i % 5 === 0, 110],
    ["all", () => true, 120],
  ])("gone are %s of 100", async (_, isGone, requests) => {
    const list = Array.from({ length: 100 }, (_, index) => isGone(index));
    expect((await cost(list)).requestsPerId * 100).toBeLessThanOrEqual(requests + 0.001);
  });
});

describe("sizes of groups", () => {
  // The best nested strategy that asks for each gone id alone, counting requests and nothing else, has
  // groups of 69, 22, 7, 3 and 1.
  it.each([
    [0.01, 40, 69],
    [0.03, 17, 22],
    [0.1, 6, 7],
    [0.25, 3, 3],
    [0.45, 1, 1],
    [0.9, 1, 1],
  ])("with a share of %d begin at most with what fits", (share, least, most) => {
    const { first, part } = findGroupSizes(share, 100);
    expect(first).toBeGreaterThanOrEqual(least);
    expect(first).toBeLessThanOrEqual(most);
    for (let suspects = 2; suspects <= 100; suspects++) {
      expect(part(suspects)).toBeGreaterThanOrEqual(1);
      expect(part(suspects)).toBeLessThan(suspects);
    }
  });

  it.each([1, 2, 3, 100, 128, 129, 1000, 100_000])(
    "are never more than are allowed: %d",
    (most) => {
      const sizesFor = createGroupSizes(most);
      for (const share of [1e-9, 0.0001, 0.0045, 0.01, 0.3, 0.5, 0.9, 0.999]) {
        const { first, part } = sizesFor(share);
        expect(first).toBeGreaterThanOrEqual(1);
        expect(first).toBeLessThanOrEqual(most);
        expect(part(2)).toBe(1);
        expect(part(1000)).toBeGreaterThanOrEqual(1);
        expect(part(1000)).toBeLessThan(1000);
      }
      expect(sizesFor(1e-9).first).toBe(most);
    },
  );
});
