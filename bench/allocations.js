import { ask, nextMessage, start } from "./processes.js";
import { median } from "./statistics.js";

/** So large that no collection comes between. */
const heap = ["--min-semi-space-size=256", "--max-semi-space-size=256"];

/**
 * Bytes that a call allocates with each client.
 *
 * @param warmUpCalls compiled code allocates less, and after 20,000 not all of it is: two processes differ by 5 %
 * then, and by 1 % after 50,000.
 */
export async function measureAllocations({ names, baseUrl, inFlight = 64, warmUpCalls = 20_000 }) {
  const bytes = new Map();
  for (const name of names) {
    const child = start("worker.js", [name], undefined, heap);
    await nextMessage(child);
    await ask(child, { baseUrl, inFlight, calls: warmUpCalls });
    const samples = [];
    for (let round = 0; round < 3; round++) {
      samples.push(await ask(child, { allocated: true, baseUrl, inFlight, calls: 3_000 }));
    }
    bytes.set(name, median(samples));
    child.kill();
  }
  return bytes;
}
