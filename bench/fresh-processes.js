import { nextMessage, start } from "./processes.js";
import { summarize } from "./statistics.js";

/** Milliseconds that loading, making a client and the first answer take in a fresh process. */
export async function measureFresh({ names, baseUrl, rounds }) {
  const samples = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      samples.get(name).push(await nextMessage(start("fresh.js", [name, baseUrl])));
    }
  }
  return Array.from(samples, ([name, runs]) => ({
    name,
    loadMs: summarize(runs.map((run) => run.loadMs)),
    loadCpuMs: summarize(runs.map((run) => run.loadCpuMs)),
    firstAnswerMs: summarize(runs.map((run) => run.firstAnswerMs)),
    rssMb: summarize(runs.map((run) => run.rssMb)),
  }));
}
