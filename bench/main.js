/**
 * npm run bench [-- --full | --quick | --calls | --memory | --scale]
 *
 * Compares this package with the others that call ZITADEL from Node, and writes docs/performance.md and
 * its chart; takes about five minutes. With --quick, in about a minute: only whether calls cost what
 * they should, against the peers that say most; ends with 1 when they do not. With --calls: prints
 * what calls cost over cleartext and TLS with 64 in flight, and writes nothing. With --memory: makes a
 * million calls, which takes minutes, and writes that section of docs/performance.md. With --scale: what bulk
 * work costs, for docs/scale.md. With --full: all of docs/performance.md, the million calls as well.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { measureAllocations } from "./allocations.js";
import { measureBulk } from "./bulk.js";
import { measureCalls } from "./calls.js";
import { drawChart } from "./chart.js";
import { bareAgain, bareWithSpans, clients, core, variants } from "./clients.js";
import { measureFresh } from "./fresh-processes.js";
import { measureMillion, millionSection } from "./million.js";
import { measurePace } from "./pace.js";
import { startServer } from "./processes.js";
import { quickCheck } from "./quick-check.js";
import { callTable, report } from "./report.js";
import { writeScale } from "./scale.js";
import { measureSizes } from "./sizes.js";

const docs = new URL("../docs/", import.meta.url);
const withVariants = Object.keys(clients).filter((name) => name !== bareAgain && name !== core);
const names = withVariants.filter((name) => !variants.includes(name) && name !== bareWithSpans);

/** What is measured: which clients, over what, how many calls in flight and in a block, and how many blocks. */
const cases = [
  { kind: "cleartext", inFlight: 64, names: withVariants, calls: 1_200, rounds: 8 },
  { kind: "TLS", inFlight: 64, names: withVariants, calls: 1_200, rounds: 8 },
  { kind: "cleartext", inFlight: 1, names, calls: 400, rounds: 4, withMemory: true },
  { kind: "cleartext", inFlight: 1_000, names, calls: 2_000, rounds: 4 },
];
/** At most so many sets of processes, and as many of them as fit into the time, but two. */
const sets = 3;
const budgetMs = 190_000;

const performanceFile = new URL("performance.md", docs);
const aboutMillion = /## A million calls\n[\s\S]*?(?=\n## |$)/;

/** The section as it is: a million calls take too long for every run. */
function lastMillion() {
  return aboutMillion.exec(readFileSync(performanceFile, "utf8"))?.[0] ?? "";
}

const server = await startServer();
try {
  if (process.argv.includes("--quick")) {
    process.exitCode = (await quickCheck(server)) ? 0 : 1;
  } else if (process.argv.includes("--memory")) {
    const million = await measureMillion({ baseUrl: server.urls.cleartext });
    const section = millionSection(million);
    console.log(section);
    const page = readFileSync(performanceFile, "utf8");
    writeFileSync(
      performanceFile,
      aboutMillion.test(page)
        ? page.replace(aboutMillion, section)
        : page.replace("## Start", `${section}\n## Start`),
    );
  } else if (process.argv.includes("--scale")) {
    await writeScale();
  } else if (process.argv.includes("--calls")) {
    for (const measured of await measureCalls({ ...server, cases: cases.slice(0, 2), sets })) {
      console.log(`\n${callTable(measured)}`);
    }
  } else {
    console.error("calls …");
    const untilMs = performance.now() + budgetMs;
    const calls = await measureCalls({ ...server, cases, sets, untilMs });
    console.error("fresh processes …");
    const fresh = await measureFresh({
      names: [...names, core],
      baseUrl: server.urls.cleartext,
      rounds: 9,
    });
    console.error("allocations …");
    const allocated = await measureAllocations({
      names: withVariants,
      baseUrl: server.urls.cleartext,
    });
    console.error("sizes and bulk …");
    const sizes = await measureSizes();
    const bulk = await measureBulk();
    console.error("bulk at a real server's pace …");
    const pace = await measurePace();
    let million = lastMillion();
    if (process.argv.includes("--full")) {
      console.error("a million calls …");
      million = millionSection(await measureMillion({ baseUrl: server.urls.cleartext }));
    }
    const text = report({ calls, allocated, fresh, sizes, bulk, pace, million });
    console.log(text);
    writeFileSync(performanceFile, text);
    writeFileSync(new URL("performance.svg", docs), drawChart(calls[0].results));
  }
} finally {
  server.stop();
}
