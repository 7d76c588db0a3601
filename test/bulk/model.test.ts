import fc from "fast-check";
import { describe, it } from "vitest";
import { seed } from "../support/seed.js";
import { check, scenario } from "./model.js";

describe(`reports and the server agree for every grant (seed ${seed})`, () => {
  it.each([
    ["removing", true],
    ["deactivating", false],
  ])("when %s", async (_, remove) => {
    await fc.assert(
      fc.asyncProperty(scenario, (s) => check(s, remove)),
      { seed, numRuns: 400 },
    );
  });
});
