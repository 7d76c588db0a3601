import { expect, it } from "vitest";
import { fuzzFrames } from "./frames.js";
import { fuzzCommandLine, fuzzJsonBodies, fuzzOAuthResponses } from "./inputs.js";
import { fuzzTransport, type Tally } from "./transports.js";
import { fuzzWebFrames } from "./web-frames.js";

// Another one each time; FUZZ_SEED repeats a run that failed.
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

function report(what: string, tally: Tally): void {
  const runs = Object.values(tally).reduce((sum, count) => sum + count, 0);
  console.info(`FUZZ_SEED=${seed} ${what}: ${runs} tried, ${JSON.stringify(tally)}`);
  expect(runs).toBeGreaterThan(0);
}

it.each(["grpc", "grpc-web", "json"] as const)(
  "mutated responses over %s are errors, or contain what they report",
  async (protocol) => {
    report(protocol, await fuzzTransport(protocol, 500, seed));
  },
);

it("frames in any order are errors, or one message and OK", async () => {
  report("frames", await fuzzFrames(300, seed));
});

it("gRPC-web frames in any order are errors, or one message and OK", async () => {
  report("gRPC-web frames", await fuzzWebFrames(1_000, seed));
});

it("any JSON is an error, or an object without one", async () => {
  report("JSON bodies", await fuzzJsonBodies(500, seed));
});

it("any response of the token endpoint is an error, or the token in it", async () => {
  report("OAuth responses", await fuzzOAuthResponses(100, seed));
});

it("any command line results in an exit code and a readable message", async () => {
  report("command lines", await fuzzCommandLine(100, seed));
});
