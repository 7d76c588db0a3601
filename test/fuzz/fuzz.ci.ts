import { afterAll, expect, it } from "vitest";
import { tableOf, writeFigures } from "../support/figures.js";
import { fuzzFrames } from "./frames.js";
import { fuzzCommandLine, fuzzJsonBodies, fuzzOAuthResponses } from "./inputs.js";
import { fuzzTransport, type Tally } from "./transports.js";
import { fuzzWebFrames } from "./web-frames.js";

// FUZZ_SEED repeats a run that failed; FUZZ_RUNS is how many responses each transport gets.
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const runs = Number(process.env.FUZZ_RUNS ?? 100_000);
const rows: string[][] = [];

function report(what: string, tally: Tally): void {
  const sum = Object.values(tally).reduce((total, count) => total + count, 0);
  console.info(`FUZZ_SEED=${seed} ${what}: ${sum} tried, ${JSON.stringify(tally)}`);
  const endings = Object.entries(tally)
    .sort(([, a], [, b]) => b - a)
    .map(([ending, count]) => `${ending} ${count.toLocaleString("en")}`);
  rows.push([what, sum.toLocaleString("en"), endings.join(", "), "0"]);
  expect(sum).toBeGreaterThan(0);
}

afterAll(() => {
  const header = ["input", "tried", "endings", "crashes, hangs, misread successes"];
  writeFigures("fuzz", `Seed ${seed}.\n\n${tableOf(header, rows)}`);
});

it.each(["grpc", "grpc-web", "json"] as const)(
  "mutated responses over %s are errors, or contain what they report",
  async (protocol) => {
    report(`mutated responses over ${protocol}`, await fuzzTransport(protocol, runs, seed));
  },
);

it("frames in any order are errors, or one message and OK", async () => {
  report("frames in any order over grpc", await fuzzFrames(runs / 50, seed));
});

it("gRPC-web frames in any order are errors, or one message and OK", async () => {
  report("frames in any order over grpc-web", await fuzzWebFrames(runs / 2, seed));
});

it("any JSON is an error, or an object without one", async () => {
  report("JSON bodies", await fuzzJsonBodies(runs / 2, seed));
});

it("any response of the token endpoint is an error, or the token in it", async () => {
  report("OAuth responses", await fuzzOAuthResponses(runs / 20, seed));
});

it("any command line results in an exit code and a readable message", async () => {
  report("command lines", await fuzzCommandLine(runs / 50, seed));
});
