import { bare } from "./clients.js";
import { ask, nextMessage, start } from "./processes.js";
import { median, summarize } from "./statistics.js";

/**
 * Calls that each client makes before anything is measured. V8 compiles what a call runs once or twice only after
 * many thousands of calls; a program that runs for long does not pay for that any more.
 */
export const warmUpCalls = 30_000;

/** Opens the connections of a case, and brings its working set back. */
const firstCalls = 1_000;

/**
 * What a call costs with each client in each of the cases, compared so that noise hits all of them alike. In a set
 * of processes, one for each client, the clients take turns block by block, in an order that shifts and turns
 * round. What all blocks of a client took is divided by what all blocks of the reference took: garbage collection
 * falls in some blocks only, and belongs to the cost. Then come fresh processes: two processes of the same program
 * differ by a few percent all their life. What is reported is the median of the sets' ratios, with the lowest and
 * highest. A time is the yardstick's median time multiplied by the client's ratio to it, so that times and ratios
 * say the same.
 */
export async function measureCalls(options) {
  const { cases, sets, untilMs = Number.POSITIVE_INFINITY, isEnough = () => false } = options;
  const bySet = [];
  for (let set = 0; set < sets; set++) {
    const startMs = performance.now();
    bySet.push(await measureSet(options));
    const tookMs = performance.now() - startMs;
    if (set > 0 && performance.now() + tookMs > untilMs) {
      break;
    }
    if (isEnough((name, reference) => ratios(bySet, 0, name, reference))) {
      break;
    }
  }
  return cases.map(({ kind, inFlight, names }, at) => ({
    kind,
    inFlight,
    sets: bySet.length,
    ratios: (name, reference) => ratios(bySet, at, name, reference),
    results: names.map((name) => {
      const by = (what) => summarize(ratios(bySet, at, name, bare, what));
      const timeOf = (what) =>
        median(bySet.map((set) => mean(set[at].get(bare), what))) * by(what).median;
      return {
        name,
        timesBare: by(cpuUsOf),
        cpuUs: timeOf(cpuUsOf),
        wallUs: timeOf(({ wallUs }) => wallUs),
      };
    }),
    memory: bySet.at(-1)[at].memory,
  }));
}

/** For each case, the blocks of each client. */
async function measureSet({ cases, urls, cert }) {
  const workers = new Map();
  try {
    for (const name of new Set(cases.flatMap(({ names }) => names))) {
      const child = start("worker.js", [name], cert);
      await nextMessage(child);
      workers.set(name, child);
    }
    const warmUp = { baseUrl: urls.cleartext, inFlight: 64, calls: warmUpCalls };
    await Promise.all(Array.from(workers.values(), (child) => ask(child, warmUp)));
    const measured = [];
    for (const one of cases) {
      measured.push(await measureCase(one, urls[one.kind], workers));
    }
    return measured;
  } finally {
    for (const child of workers.values()) {
      child.kill();
    }
  }
}

async function measureCase({ names, inFlight, calls, rounds, withMemory }, baseUrl, workers) {
  const blocks = new Map(names.map((name) => [name, []]));
  for (const name of names) {
    await ask(workers.get(name), { baseUrl, inFlight, calls: firstCalls });
  }
  for (let round = 0; round < rounds; round++) {
    const first = Math.floor(round / 2) % names.length;
    const order = [...names.slice(first), ...names.slice(0, first)];
    for (const name of round % 2 === 0 ? order : order.reverse()) {
      blocks.get(name).push(await ask(workers.get(name), { baseUrl, inFlight, calls }));
    }
  }
  if (withMemory) {
    blocks.memory = new Map();
    for (const name of names) {
      const { rss, heapUsed } = await ask(workers.get(name), "memory");
      blocks.memory.set(name, { rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
    }
  }
  return blocks;
}

const cpuUsOf = ({ cpuUs }) => cpuUs;

function ratios(bySet, at, name, reference, what = cpuUsOf) {
  return bySet.map((set) => mean(set[at].get(name), what) / mean(set[at].get(reference), what));
}

function mean(blocks, what) {
  return blocks.reduce((sum, block) => sum + what(block), 0) / blocks.length;
}
