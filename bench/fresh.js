/** A fresh process: how long loading a package and making a client takes, and until the first response. */
import { clients } from "./clients.js";

const [name, baseUrl] = process.argv.slice(2);
const startMs = performance.now();
const cpu = process.cpuUsage();
const call = await clients[name](baseUrl);
const loadedMs = performance.now();
const { user, system } = process.cpuUsage(cpu);
await call?.();
process.send({
  loadMs: loadedMs - startMs,
  loadCpuMs: (user + system) / 1000,
  firstResponseMs: call && performance.now() - startMs,
  rssMb: process.memoryUsage.rss() / 2 ** 20,
});
process.exit();
