import { expect, it } from "vitest";
import { fuzzFrames } from "./frames.js";
import { fuzzCommandLine, fuzzJsonBodies, fuzzOAuthResponses } from "./inputs.js";
import type { Tally } from "./tally.js";
import { fuzzTransport } from "./transports.js";
import { fuzzWebFrames } from "./web-frames.js";

/** Another one each time; FUZZ_SEED repeats a run that failed. */
export const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

/**
 * Fuzzes everything that reads what it does not trust: nothing may hang, crash or pass for a success.
 *
 * @param runs how many mutated responses each transport gets; of other input there are fewer.
 * @param report takes what came of each kind.
 */
export function describeFuzz(
  runs: number,
  report: (what: string, tried: number, tally: Tally) => void,
): void {
  const kinds: Record<string, () => Promise<Tally>> = {
    "mutated responses over grpc": () => fuzzTransport("grpc", runs, seed),
    "mutated responses over grpc-web": () => fuzzTransport("grpc-web", runs, seed),
    "mutated responses over json": () => fuzzTransport("json", runs, seed),
    "frames in any order over grpc": () => fuzzFrames(Math.max(300, runs / 50), seed),
    "frames in any order over grpc-web": () => fuzzWebFrames(Math.max(1_000, runs / 2), seed),
    "JSON bodies": () => fuzzJsonBodies(Math.max(500, runs / 2), seed),
    "OAuth responses": () => fuzzOAuthResponses(Math.max(100, runs / 20), seed),
    "command lines": () => fuzzCommandLine(Math.max(100, runs / 50), seed),
  };
  it.each(Object.entries(kinds))("%s", async (what, run) => {
    const tally = await run();
    const tried = Object.values(tally).reduce((total, count) => total + count, 0);
    console.info(`FUZZ_SEED=${seed} ${what}: ${tried} tried, ${JSON.stringify(tally)}`);
    expect(tried).toBeGreaterThan(0);
    report(what, tried, tally);
  });
}
