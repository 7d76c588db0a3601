import { ask, nextMessage, start } from "./processes.js";
import { median } from "./statistics.js";

/** So large that no collection comes between. */
const heap = ["--min-semi-space-size=256", "--max-semi-space-size=256"];

/** Bytes that a call allocates with each client. */
export async function measureAllocations({ names, baseUrl, inFlight = 64 }) {
  const bytes = new Map();
  for (const name of names) {
    const child = start("worker.js", [name], undefined, heap);
    await nextMessage(child);
    // Compiled code allocates less.
    await ask(child, { baseUrl, inFlight, calls: 20_000 });
    const samples = [];
    for (let round = 0; round < 3; round++) {
      samples.push(await ask(child, { allocated: true, baseUrl, inFlight, calls: 3_000 }));
    }
    bytes.set(name, median(samples));
    child.kill();
  }
  return bytes;
}
