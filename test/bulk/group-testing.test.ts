import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GroupSizes } from "../../src/bulk/group-sizes.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { cost, meanCost } from "./group-testing.js";

/** The rows of the first table of a document whose head has this cell, as numbers. */
function tableIn(document: string, headCell: string): number[][] {
  const lines = readFileSync(new URL(`../../docs/${document}`, import.meta.url), "utf8").split(
    "\n",
  );
  const head = lines.findIndex((line) => line.startsWith(`| ${headCell} |`));
  const rows = lines.slice(head + 2, lines.indexOf("", head));
  return rows.map((row) => row.split("|").slice(1, -1).map(Number.parseFloat));
}

describe("the cost of a list of which some grants are gone", () => {
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

describe("the documents state the measured values", () => {
  it.each(tableIn("bulk.md", "gone of 100"))(
    "%i gone of 100: %i requests",
    async (gone, said = 0) => {
      const world = new FakeEnvironment(7);
      const lists = 60;
      let requests = 0;
      for (let list = 0; list < lists; list++) {
        const places = Array.from({ length: 100 }, (_, place) => ({ place, key: world.random() }))
          .toSorted((a, b) => a.key - b.key)
          .slice(0, gone)
          .map(({ place }) => place);
        const isGone = Array.from({ length: 100 }, (_, place) => places.includes(place));
        requests += (await cost(isGone)).requestsPerId * 100;
      }
      expect(Math.abs(requests / lists - said)).toBeLessThanOrEqual(Math.max(1, said * 0.03));
    },
  );

  it.each(tableIn("scale.md", "gone"))(
    "%d percent gone: %d requests for each grant",
    async (percent = 0, requestsPerId = 0, _best, serverSeconds = 0, minutes = 0) => {
      const mean = await meanCost(percent / 100, 2, 11);
      expect(mean.requestsPerId / requestsPerId).toBeGreaterThan(0.94);
      expect(mean.requestsPerId / requestsPerId).toBeLessThan(1.06);
      expect(mean.serverSeconds / serverSeconds).toBeGreaterThan(0.95);
      expect(mean.serverSeconds / serverSeconds).toBeLessThan(1.05);
      expect(Math.round((serverSeconds * 100) / 4 / 60)).toBe(minutes);
    },
  );
});

describe("sizes of groups", () => {
  it.each([1, 2, 3, 100, 1000, 100_000])("are never more than are allowed: %d", (most) => {
    for (const share of [0, 0.0001, 0.0045, 0.01, 0.3, 0.5, 0.9, 1]) {
      const sizes = new GroupSizes(most);
      expect(sizes.first).toBe(most);
      sizes.add(100_000 * (1 - share), 0);
      sizes.add(100_000 * share, 100_000 * share);
      expect(sizes.first).toBeGreaterThanOrEqual(1);
      expect(sizes.first).toBeLessThanOrEqual(most);
      expect(sizes.part(2)).toBe(1);
      expect(sizes.part(1000)).toBeGreaterThanOrEqual(1);
      expect(sizes.part(1000)).toBeLessThan(1000);
    }
  });
});
