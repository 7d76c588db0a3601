import { bare } from "./clients.js";
import { ask, nextMessage, start } from "./processes.js";
import { median, summarize } from "./statistics.js";

/** After fewer, the compilation of a client's code still shows in its first blocks. */
const enoughToCompile = 6_000;

/**
 * What a call costs with each client, compared so that noise hits all of them alike. In a set of
 * processes, one for each client, the clients take turns block by block, in an order that shifts and
 * turns round; each block is compared with the reference's of the same round, and the median of these
 * ratios is the set's. Then come fresh processes: two processes of the same program differ by a few
 * percent all their life. What is reported is the median of the sets' ratios, with the lowest and
 * highest. A time is the yardstick's median time multiplied by the client's ratio to it, so that times
 * and ratios say the same.
 */
export async function measureCalls(options) {
  const { names, sets, untilMs = Number.POSITIVE_INFINITY, isEnough = () => false } = options;
  const bySet = [];
  for (let set = 0; set < sets; set++) {
    const startMs = performance.now();
    bySet.push(await measureSet(options));
    const tookMs = performance.now() - startMs;
    if (set > 0 && performance.now() + tookMs > untilMs) {
      break;
    }
    if (isEnough((name, reference) => ratios(bySet, name, reference))) {
      break;
    }
  }
  return {
    inFlight: options.inFlight,
    sets: bySet.length,
    ratios: (name, reference) => ratios(bySet, name, reference),
    results: names.map((name) => {
      const by = (what) => summarize(ratios(bySet, name, bare, what));
      const timeOf = (what) =>
        median(bySet.flatMap((set) => set.get(bare).map(what))) * by(what).median;
      return {
        name,
        timesBare: by(cpuUsOf),
        cpuUs: timeOf(cpuUsOf),
        wallUs: timeOf(({ wallUs }) => wallUs),
      };
    }),
    memory: bySet.at(-1).memory,
  };
}

async function measureSet(options) {
  const { names, baseUrl, cert, inFlight, calls, rounds, withMemory } = options;
  const { warmUpCalls = Math.max(2 * calls, enoughToCompile) } = options;
  const workers = new Map();
  try {
    for (const name of names) {
      const child = start("worker.js", [name, baseUrl], cert);
      await nextMessage(child);
      workers.set(name, child);
    }
    const blocks = new Map(names.map((name) => [name, []]));
    for (const name of names) {
      await ask(workers.get(name), { inFlight, calls: warmUpCalls });
    }
    for (let round = 0; round < rounds; round++) {
      const first = Math.floor(round / 2) % names.length;
      const order = [...names.slice(first), ...names.slice(0, first)];
      for (const name of round % 2 === 0 ? order : order.reverse()) {
        blocks.get(name).push(await ask(workers.get(name), { inFlight, calls }));
      }
    }
    if (withMemory) {
      blocks.memory = new Map();
      for (const [name, child] of workers) {
        const { rss, heapUsed } = await ask(child, "memory");
        blocks.memory.set(name, { rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
      }
    }
    return blocks;
  } finally {
    for (const child of workers.values()) {
      child.kill();
    }
  }
}

const cpuUsOf = ({ cpuUs }) => cpuUs;

function ratios(bySet, name, reference, what = cpuUsOf) {
  return bySet.map((set) => {
    const references = set.get(reference);
    return median(set.get(name).map((block, round) => what(block) / what(references[round])));
  });
}
