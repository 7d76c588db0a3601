/**
 * npm run bench [-- --quick]
 *
 * Compares this package with the others that call ZITADEL from Node, writes docs/performance.md and its
 * chart. With --quick, in under a minute: only whether calls cost what they should, against the peers
 * that say most; ends with 1 when they do not.
 */
import { writeFileSync } from "node:fs";
import { measureBulk } from "./bulk.js";
import { measureCalls } from "./calls.js";
import { drawChart } from "./chart.js";
import { clients } from "./clients.js";
import { measureFresh } from "./fresh-processes.js";
import { startServer } from "./processes.js";
import { quickCheck } from "./quick-check.js";
import { report } from "./report.js";
import { measureSizes } from "./sizes.js";

const docs = new URL("../docs/", import.meta.url);
const names = Object.keys(clients);
const rounds = 5;
const loads = [
  { inFlight: 1, calls: 1_500 },
  { inFlight: 64, calls: 5_000 },
  { inFlight: 1_000, calls: 6_000 },
];

const server = await startServer();
try {
  if (process.argv.includes("--quick")) {
    process.exitCode = (await quickCheck(server)) ? 0 : 1;
  } else {
    const calls = {};
    for (const [kind, baseUrl] of Object.entries(server.urls)) {
      console.error(`calls over ${kind} …`);
      calls[kind] = await measureCalls({ names, baseUrl, cert: server.cert, loads, rounds });
    }
    console.error("fresh processes …");
    const fresh = await measureFresh({ names, baseUrl: server.urls.cleartext, rounds: 9 });
    console.error("sizes and bulk …");
    const sizes = await measureSizes();
    const bulk = await measureBulk();
    const text = report({ calls, rounds, fresh, sizes, bulk });
    console.log(text);
    writeFileSync(new URL("performance.md", docs), text);
    writeFileSync(new URL("performance.svg", docs), drawChart(calls.cleartext.results));
  }
} finally {
  server.stop();
}
