import { expect, it } from "vitest";

const { verdict } = await import(new URL("../../bench/quick-check.js", import.meta.url).href);

const bound = 1.08;

it.each([
  ["as cheap as measured", { median: 1, low: 0.98, high: 1.03 }, 5, "ok"],
  ["cheaper, on a busy machine", { median: 0.9, low: 0.7, high: 1.4 }, 5, "ok"],
  ["15 % dearer", { median: 1.15, low: 1.12, high: 1.19 }, 5, "TOO MUCH"],
  ["dearer, and sets disagree", { median: 1.2, low: 1.05, high: 1.3 }, 5, "noisy"],
  ["dearer, and sets lie far apart", { median: 1.3, low: 1.1, high: 1.5 }, 5, "noisy"],
  ["dearer, in too few sets to tell", { median: 1.2, low: 1.19, high: 1.21 }, 2, "noisy"],
])("the quick benchmark judges what is %s", (_, ratio, sets, expected) => {
  expect(verdict(ratio, bound, sets)).toContain(expected);
});

it.each([
  ["does not cost the same", { median: 1.08, low: 1.07, high: 1.09 }],
  ["costs now this and now that", { median: 1, low: 0.9, high: 1.1 }],
])("no verdict where the same client in two processes %s", (_, control) => {
  const dearer = { median: 1.15, low: 1.12, high: 1.19 };
  expect(verdict(dearer, bound, 5, control)).toContain("noisy");
});
