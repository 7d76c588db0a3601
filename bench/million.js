import { bare, own } from "./clients.js";
import { commitName } from "./commit.js";
import { ask, nextMessage, start } from "./processes.js";

const step = 100_000;
const fixed = "--max-semi-space-size=4";

/** The yardstick shows what grows in Node itself; a young generation of fixed size, what else does. */
const series = [
  { title: own, name: own, execArgv: [] },
  { title: `${own}, \`${fixed}\``, name: own, execArgv: [fixed] },
  { title: bare, name: bare, execArgv: [] },
];

/**
 * Resident memory of processes that make a million calls each, in MB after every 100,000 of them and a
 * garbage collection.
 */
export async function measureMillion({ baseUrl, calls = 1_000_000 }) {
  const measured = [];
  for (const { title, name, execArgv } of series) {
    const child = start("worker.js", [name], undefined, execArgv);
    await nextMessage(child);
    const rssMb = [];
    for (let made = 0; made < calls; made += step) {
      await ask(child, { baseUrl, inFlight: 64, calls: step });
      const { rss } = await ask(child, "memory");
      rssMb.push(rss / 2 ** 20);
    }
    child.kill();
    measured.push({ title, rssMb });
  }
  return measured;
}

/** What docs/performance.md says of it. */
export function millionSection(measured, commit = commitName()) {
  const rows = measured.map(({ title, rssMb }) => {
    const grewMb = Math.max(...rssMb) - rssMb[0];
    const calls = (rssMb.length * step).toLocaleString("en");
    const cells = [title, calls, rssMb[0], rssMb.at(-1), grewMb].map((cell) =>
      typeof cell === "number" ? cell.toFixed(1) : cell,
    );
    return `| ${cells.join(" | ")} |`;
  });
  return `## A million calls

Resident memory of a process that makes its calls 64 at a time, over cleartext, after a garbage collection, in MB. The heap behind it stays as it is; what grows is the room that V8 takes for new objects, in \`bare node:http2\` as well: with that room fixed nothing grows. Measured on commit ${commit} with Node ${process.version} by \`npm run bench -- --memory\`.

| client | calls | after ${step.toLocaleString("en")} | after all | grown by at most |
| --- | ---: | ---: | ---: | ---: |
${rows.join("\n")}
`;
}
