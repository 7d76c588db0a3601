import { afterAll } from "vitest";
import { figuresIn, tableOf } from "../support/figures.js";
import { describeFuzz, seed } from "./suite.js";

const rows: string[][] = [];

describeFuzz(Number(process.env.FUZZ_RUNS ?? 100_000), (what, tried, tally) => {
  const endings = Object.entries(tally)
    .sort(([, a], [, b]) => b - a)
    .map(([ending, count]) => `${ending} ${count.toLocaleString("en")}`);
  rows.push([what, tried.toLocaleString("en"), endings.join(", "), "0"]);
});

afterAll(() => {
  const header = ["input", "tried", "endings", "crashes, hangs, misread successes"];
  figuresIn("reliability", "fuzz", `Seed ${seed}.\n\n${tableOf(header, rows)}`);
});
