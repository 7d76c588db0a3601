import { nextMessage, start } from "./processes.js";
import { summarize } from "./statistics.js";

/** Milliseconds that loading, making a client and the first response take in a fresh process. */
export async function measureFresh({ names, baseUrl, rounds }) {
  const samples = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      samples.get(name).push(await nextMessage(start("fresh.js", [name, baseUrl])));
    }
  }
  const ratio = (name, reference, what) =>
    summarize(
      samples.get(name).map((run, round) => run[what] / samples.get(reference)[round][what]),
    );
  return {
    ratio,
    results: Array.from(samples, ([name, runs]) => {
      const of = (what) => summarize(runs.map((run) => run[what]));
      const hasCalled = runs[0].firstResponseMs !== undefined;
      return {
        name,
        loadMs: of("loadMs"),
        loadCpuMs: of("loadCpuMs"),
        firstResponseMs: hasCalled ? of("firstResponseMs") : undefined,
        rssMb: of("rssMb"),
      };
    }),
  };
}
