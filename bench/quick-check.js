import { bounds } from "./bounds.js";
import { measureCalls } from "./calls.js";
import { isTooNoisy } from "./statistics.js";

/** Leaves room, within a minute, for building and installing. */
const budgetMs = 35_000;

/**
 * Whether calls cost no more than they should. A bound is broken only when every set of processes says
 * so; when they do not agree, or lie too far apart, the machine was too noisy to judge.
 */
export async function quickCheck({ urls, cert }) {
  const names = [...new Set(bounds.flatMap(({ name, peer }) => [name, peer]))];
  const { ratio, sets } = await measureCalls({
    names,
    baseUrl: urls.cleartext,
    cert,
    inFlight: 64,
    calls: 1_500,
    rounds: 6,
    sets: 5,
    untilMs: performance.now() + budgetMs,
  });
  let isWithin = true;
  for (const { name, peer, most } of bounds) {
    const { median, low, high } = ratio(name, peer);
    const text = `CPU per call, ${name}: ${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)}) times ${peer}; at most ${most.toFixed(2)}`;
    console.log(`${text}: ${verdict({ median, low, high }, most, sets)}`);
    isWithin &&= verdict({ median, low, high }, most, sets) !== "TOO MUCH";
  }
  return isWithin;
}

/** Exported for its test. */
export function verdict(ratio, most, sets) {
  if (ratio.high <= most) {
    return "ok";
  }
  if (sets < 3 || isTooNoisy(ratio) || ratio.low <= most) {
    return ratio.median <= most ? "ok" : "the machine is too noisy to judge";
  }
  return "TOO MUCH";
}
