import { measureAllocations } from "./allocations.js";
import { allocationBounds, bounds } from "./bounds.js";
import { measureCalls } from "./calls.js";
import { bare, bareAgain } from "./clients.js";
import { isTooNoisy, middleHalf } from "./statistics.js";

/** Leaves room, within a minute, for building and installing. */
const budgetMs = 45_000;
const minSets = 3;

/**
 * Whether calls cost no more than they should. What a call allocates is the same on any machine, and one
 * measurement decides. CPU time is not: sets of processes go on until they decide or time is up, and a
 * bound is broken only when nearly all say so. When they do not agree, or the same client in two processes
 * does not cost the same, the machine was too noisy to judge.
 */
export async function quickCheck({ urls, cert }) {
  const names = [...new Set(bounds.flatMap(({ name, peer }) => [name, peer])), bareAgain];
  const untilMs = performance.now() + budgetMs;
  const verdicts = (ratios) => {
    const control = middleHalf(ratios(bareAgain, bare));
    return bounds.map(({ name, peer, most }) => {
      const found = ratios(name, peer);
      const ratio = middleHalf(found);
      return { name, peer, most, ratio, verdict: verdict(ratio, most, found.length, control) };
    });
  };

  const allocated = await measureAllocations({
    names: [...new Set(allocationBounds.flatMap(({ name, peer }) => [name, peer]))],
    baseUrl: urls.cleartext,
    warmUpCalls: 50_000,
  });
  let isWithin = true;
  for (const { name, peer, most } of allocationBounds) {
    const ratio = allocated.get(name) / allocated.get(peer);
    const isOk = ratio <= most;
    isWithin &&= isOk;
    console.log(
      `Bytes per call, ${name}: ${ratio.toFixed(3)} times ${peer}; at most ${most.toFixed(3)}: ${isOk ? "ok" : tooMuch}`,
    );
  }

  const [{ ratios }] = await measureCalls({
    cases: [{ kind: "cleartext", inFlight: 64, names, calls: 1_200, rounds: 8 }],
    urls,
    cert,
    sets: 12,
    untilMs,
    isEnough: (found) =>
      found(bare, bareAgain).length >= minSets &&
      verdicts(found).every(({ verdict }) => verdict !== undecided),
  });
  for (const { name, peer, most, ratio, verdict } of verdicts(ratios)) {
    const { median, low, high } = ratio;
    console.log(
      `CPU per call, ${name}: ${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)}) times ${peer}; at most ${most.toFixed(2)}: ${verdict}`,
    );
    isWithin &&= verdict !== tooMuch;
  }
  return isWithin;
}

const tooMuch = "TOO MUCH";
const undecided = "the machine is too noisy to judge";
const quiet = { median: 1, low: 1, high: 1 };

/**
 * Exported for its test.
 *
 * @param control what the same client costs in two processes.
 */
export function verdict(ratio, most, sets, control = quiet) {
  if (ratio.median <= most) {
    return "ok";
  }
  const isNoisy = isTooNoisy(ratio) || isTooNoisy(control) || Math.abs(control.median - 1) > 0.05;
  return sets < minSets || isNoisy || ratio.low <= most ? undecided : tooMuch;
}
