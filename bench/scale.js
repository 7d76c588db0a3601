import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { close } from "zitadel-user-grants";
import { deactivateUserGrants, removeUserGrants } from "zitadel-user-grants/bulk";
import { createManagementClient as createGrpcClient } from "zitadel-user-grants/grpc";
import { createManagementClient as createGrpcWebClient } from "zitadel-user-grants/grpc-web";
import { createManagementClient as createJsonClient } from "zitadel-user-grants/json";
import { commitName } from "./commit.js";
import { measurePace } from "./pace.js";
import { ask, nextMessage, start } from "./processes.js";
import { summarize } from "./statistics.js";

const protocols = {
  "native gRPC": createGrpcClient,
  "gRPC-web": createGrpcWebClient,
  JSON: createJsonClient,
};
const works = {
  removal: { count: 20_000, done: "removed", run: removeUserGrants },
  deactivation: {
    count: 2_000,
    done: "deactivated",
    run: (client, ids) =>
      deactivateUserGrants(
        client,
        ids.map((grantId) => ({ userId: "171727382938472937", grantId })),
      ),
  },
};
const rounds = 5;
const million = 1_000_000;
/** Grants per second that the real server of docs/scale.md takes. */
const atServer = { removal: 3845, deactivation: 313 };

/** CPU time of the client for each grant, in microseconds, against the sandbox in another process. */
async function measureCpu() {
  const server = start("bulk-server.js", []);
  const target = await nextMessage(server);
  const clients = Object.entries(protocols).map(([protocol, create]) => [protocol, create(target)]);
  const samples = new Map();
  // The first round compiles the code and opens the connections.
  for (let round = 0; round <= rounds; round++) {
    for (const [protocol, client] of clients) {
      for (const [work, { count, done, run }] of Object.entries(works)) {
        const ids = await ask(server, count);
        const cpu = process.cpuUsage();
        const { counts } = await run(client, ids).summary();
        const { user, system } = process.cpuUsage(cpu);
        if (counts[done] !== count) {
          throw new Error(`not all were ${done}: ${JSON.stringify(counts)}`);
        }
        const key = `${protocol}, ${work}`;
        samples.set(key, [...(samples.get(key) ?? []), (user + system) / count].slice(-rounds));
      }
    }
  }
  for (const [, client] of clients) {
    close(client);
  }
  server.kill();
  return (protocol, work) => summarize(samples.get(`${protocol}, ${work}`));
}

/** The most heap in use, in bytes, while so many grants are removed. */
function heapBytes(count, distinct) {
  const program = fileURLToPath(new URL("../test/bulk/memory-program.js", import.meta.url));
  const args = ["--expose-gc", program, String(count), String(distinct)];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

/** What docs/scale.md says of the client. */
export async function scaleSection() {
  const commit = commitName();
  const cpuUs = await measureCpu();
  const { results } = await measurePace();
  const grew = (distinct) => heapBytes(million, distinct) - heapBytes(million / 100, distinct);
  const [seen, distinct] = [grew(false), grew(true)];

  const cell = ({ low, high }) => `${low.toFixed(0)}-${high.toFixed(0)} µs a grant`;
  const rows = Object.keys(protocols).map(
    (protocol) =>
      `| ${protocol} | ${cell(cpuUs(protocol, "removal"))} | ${cell(cpuUs(protocol, "deactivation"))} |`,
  );
  const perSecond = (work) => 1e6 / cpuUs("native gRPC", work).median;
  const about = (work, digits) => Number(perSecond(work).toPrecision(digits)).toLocaleString("en");
  const times = (work) => (perSecond(work) / atServer[work]).toFixed(0);
  const [a, b, c] = results.map(
    ({ count, ratio }) => `${ratio.median.toFixed(2)} times (${count.toLocaleString("en")} grants)`,
  );
  return `## What one process sends

Measured on commit ${commit} by \`npm run bench -- --scale\`. CPU time of the client, against the sandbox on the same 2 cores; the lowest and highest of ${rounds} runs:

| | removal, batches of 100 | deactivation |
| --- | --- | --- |
${rows.join("\n")}

So one core can send some ${about("removal", 1)} removals or ${about("deactivation", 2)} deactivations per second over native gRPC: ${times("removal")} and ${times("deactivation")} times what the server above accepts. Against a sandbox with that server's times, \`removeUserGrants\` reaches ${a}, ${b} and ${c} the rate of a hand-written pool over plain \`fetch\` with 100 ids per request and four requests at a time, measured in turns.

Memory: distinct ids take ${(seen / million).toFixed(0)} bytes each (${(seen / 1e6).toFixed(0)} MB for a million). With \`distinct: true\` no ids are kept, and a million take ${Math.max(0, distinct / 1e6).toFixed(1)} MB more than ten thousand.
`;
}

/** Measures it, and writes it into the page. */
export async function writeScale() {
  const file = new URL("../docs/scale.md", import.meta.url);
  const section = await scaleSection();
  console.log(section);
  const page = readFileSync(file, "utf8");
  writeFileSync(
    file,
    page.replace(/## What one process sends\n[\s\S]*?(?=\n## )/, () => section),
  );
}
