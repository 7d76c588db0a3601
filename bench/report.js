import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { warmUpCalls } from "./calls.js";
import { bare, core, own, variants } from "./clients.js";
import { commitName } from "./commit.js";
import { isTooNoisy } from "./statistics.js";

/** docs/performance.md. */
export function report({ calls, allocated, fresh, sizes, bulk, pace, million }) {
  return `# Performance

Written by \`npm run bench\`; do not edit.

![CPU time per call of clients for ZITADEL](performance.svg)

## How it was measured

- Commit ${commitName()}. Load average of the machine, of which this run is a part of 2 at most: ${loadavg()[0].toFixed(0)}.
- ${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors; Node ${process.version} on ${process.platform}. Other machines give other times; the ratios move less.
- The same call everywhere: \`DeactivateUserGrant\` with two ids, a token and an organization, whose response has details. The server is a bare \`node:http2\` server in a process of its own, which does nothing but respond.
- Each client runs in a process of its own. They take turns block by block, in a shifting order, so that whatever else the machine does hits all alike. What all blocks of a client took is divided by what those of the yardstick, \`${bare}\`, took, garbage collection included, and all of it is done again with fresh processes. \`times bare\` is the median of these sets, with the lowest and highest in brackets. Everything else follows from it: a time is the yardstick's own time, the median of the sets, multiplied by the client's ratio, and so is a bar of the chart.
- Each process makes ${warmUpCalls.toLocaleString("en")} calls before anything is measured, all clients at once. Until then V8 still compiles, which costs each client half as much again or more: what is measured is what a program that runs for long pays, and "Start" below what one pays that does not.
- CPU time is user and system time of the client's process, garbage collection on other threads included. Wall time is the time of the round divided by its calls: client and server share the processors.
- \`bare node:http2\` is not a client but a yardstick: it makes the same request with protobuf-es, without deadline, errors, connections or interceptors. \`connect-node\` uses this package's generated code.
- \`bare, spans\` is the same with a span by OpenTelemetry's API around it: what tracing costs whoever does it.
- Versions: ${versions()}.

${calls.map((measured) => `## ${measured.inFlight.toLocaleString("en")} calls in flight over ${measured.kind}\n\n${callTable(measured)}`).join("\n\n")}

## Allocation

Bytes that a call allocates on the heap, 64 in flight over cleartext: the same on a busy machine, unlike all else here. Node's own part is that of \`${bare}\`.

${table(
  ["client", "kB per call", "times bare"],
  Array.from(allocated)
    .toSorted(([, a], [, b]) => a - b)
    .map(([name, bytes]) => [
      title(name),
      (bytes / 1000).toFixed(1),
      ratio(bytes, allocated.get(bare)),
    ]),
)}

## Memory

Of the processes above when they had made their calls one at a time, after a garbage collection, in MB.

${table(
  ["client", "heap", "resident"],
  Array.from(calls.find(({ memory }) => memory).memory, ([name, { heapMb, rssMb }]) => [
    name,
    heapMb.toFixed(1),
    rssMb.toFixed(0),
  ]),
)}

${million}
## Start

A fresh process: CPU and wall time for loading the package and making a client, wall time until the first response is there, and resident memory then.

\`${core}\` is what any client of Connect loads first, with the same generated code; it makes no call. It is the yardstick here: ratios are medians of rounds, with the lowest and highest, and CPU times follow from them.

${startTable(fresh)}

## Size

A program that makes a client, bundled and minified by esbuild, in kB (1,000 bytes).

${table(
  ["for", "client", "minified", "gzip"],
  sizes.map(({ platform, name, minifiedKb, gzipKb }) => [
    platform,
    name,
    minifiedKb.toFixed(0),
    gzipKb.toFixed(0),
  ]),
)}

## Bulk removal

Against the sandbox in another process. It has no database: with a real server the difference is larger, since it writes once per request.

${table(
  ["way", "removals a second", "CPU of the client for each, µs"],
  bulk.map(({ way, rate, cpuUs }) => [way, spread(rate), spread(cpuUs, 1)]),
)}

## Bulk removal at a real server's pace

Against a sandbox that takes ${pace.requestMs} ms for a request and ${pace.idMs} ms for each id in it, as a real ZITADEL does. By hand: plain \`fetch\`, 100 ids a request, four requests at a time. Removals a second; the ratio is the median of rounds, with the lowest and highest.

${table(
  ["grants", "by hand", "removeUserGrants", "ratio"],
  pace.results.map(({ count, hand, own: rate, ratio: by }) => [
    count.toLocaleString("en"),
    hand.toFixed(0),
    rate.toFixed(0),
    spread(by, 2),
  ]),
)}
`;
}

/** One case: what a call costs with each client, and how often as much as with the two references. */
export function callTable({ results, sets }) {
  const ownRatio = results.find(({ name }) => name === own).timesBare.median;
  const noisy = results.filter(({ timesBare }) => isTooNoisy(timesBare));
  const lines = [
    table(
      ["client", "CPU per call, µs", "times bare", `times ${own}`, "wall per call, µs"],
      results
        .toSorted((a, b) => a.cpuUs - b.cpuUs)
        .map(({ name, timesBare, cpuUs, wallUs }) => [
          title(name),
          cpuUs.toFixed(0),
          spread(timesBare, 2),
          ratio(timesBare.median, ownRatio),
          wallUs.toFixed(0),
        ]),
    ),
  ];
  if (noisy.length > 0) {
    lines.push(
      `The machine was too noisy to judge ${noisy.map(({ name }) => name).join(", ")}: ${sets} sets of processes do not agree.`,
    );
  }
  return lines.join("\n\n");
}

function startTable({ results, ratio: ratioOf }) {
  const coreMs = results.find(({ name }) => name === core).loadCpuMs.median;
  return table(
    [
      "client",
      "CPU to load, ms",
      `times ${core}`,
      "loaded, ms",
      "first response, ms",
      "resident, MB",
    ],
    results.map(({ name, loadMs, firstResponseMs, rssMb }) => {
      const timesCore = ratioOf(name, core, "loadCpuMs");
      return [
        name,
        (coreMs * timesCore.median).toFixed(0),
        spread(timesCore, 2),
        spread(loadMs),
        firstResponseMs === undefined ? "" : spread(firstResponseMs),
        rssMb.median.toFixed(0),
      ];
    }),
  );
}

function title(name) {
  return variants.includes(name) ? `${own} ${name}` : name;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join(
    "\n",
  );
}

function spread({ median, low, high }, digits = 0) {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

function ratio(value, reference) {
  return (value / reference).toFixed(2);
}

function versions() {
  return [own, "@zitadel/client", "@zitadel/node", "@grpc/grpc-js", "@connectrpc/connect-node"]
    .map((name) => {
      const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
      return `${name} ${JSON.parse(readFileSync(file, "utf8")).version}`;
    })
    .join(", ");
}
