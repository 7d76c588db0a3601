import { ask, nextMessage, start } from "./processes.js";
import { summarize } from "./statistics.js";

/**
 * CPU and wall time per call of each client, in microseconds, at each number of calls in flight. Every
 * client has its own process; they take turns, in an order that shifts from round to round, so that
 * whatever else the machine does hits all of them.
 */
export async function measureCalls({ names, baseUrl, cert, loads, rounds }) {
  const workers = new Map();
  for (const name of names) {
    const child = start("worker.js", [name, baseUrl], cert);
    await nextMessage(child);
    workers.set(name, child);
  }
  const results = [];
  for (const { inFlight, calls } of loads) {
    const samples = new Map(names.map((name) => [name, []]));
    for (const name of names) {
      await ask(workers.get(name), { inFlight, calls }); // Warms up.
    }
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(round + turn) % names.length];
        samples.get(name).push(await ask(workers.get(name), { inFlight, calls }));
      }
    }
    for (const [name, runs] of samples) {
      results.push({
        name,
        inFlight,
        cpuUs: summarize(runs.map((run) => run.cpuUs)),
        wallUs: summarize(runs.map((run) => run.wallUs)),
      });
    }
  }
  const memory = new Map();
  for (const [name, child] of workers) {
    const { rss, heapUsed } = await ask(child, "memory");
    memory.set(name, { rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
    child.kill();
  }
  return { results, memory };
}
