/**
 * Makes calls with one client, in a process of its own, as often as it is told, and says what they cost.
 */
import { clients } from "./clients.js";

const [name] = process.argv.slice(2);
const byUrl = new Map();

async function run({ baseUrl, calls, inFlight }) {
  if (!byUrl.has(baseUrl)) {
    byUrl.set(baseUrl, await clients[name](baseUrl));
  }
  const call = byUrl.get(baseUrl);
  let left = calls;
  const loop = async () => {
    while (left-- > 0) {
      await call();
    }
  };
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(Array.from({ length: inFlight }, loop));
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: (user + system) / calls, wallUs: (wallMs * 1000) / calls };
}

/** Bytes that a call allocates: exact, whatever else the machine does. Needs a heap that no collection disturbs. */
async function allocated(block) {
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  await run(block);
  return (process.memoryUsage().heapUsed - before) / block.calls;
}

process.on("message", async (message) => {
  if (message === "memory") {
    globalThis.gc();
    process.send(process.memoryUsage());
  } else if (message === "exit") {
    process.exit();
  } else if (message.allocated) {
    process.send(await allocated(message));
  } else {
    process.send(await run(message));
  }
});
process.send("ready");
