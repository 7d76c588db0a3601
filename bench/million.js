import { commitName } from "./commit.js";
import { ask, nextMessage, start } from "./processes.js";

const step = 100_000;

/**
 * Resident memory of a process that makes a million calls, in MB after every 100,000 of them and a garbage
 * collection.
 */
export async function measureMillion({ name, baseUrl, calls = 1_000_000 }) {
  const child = start("worker.js", [name, baseUrl]);
  try {
    await nextMessage(child);
    const rssMb = [];
    for (let made = 0; made < calls; made += step) {
      await ask(child, { inFlight: 64, calls: step });
      const { rss } = await ask(child, "memory");
      rssMb.push(rss / 2 ** 20);
    }
    return { name, step, rssMb };
  } finally {
    child.kill();
  }
}

/** What docs/performance.md says of it. */
export function millionSection({ step, rssMb }) {
  const after = rssMb.map(
    (mb, at) => `| ${((at + 1) * step).toLocaleString("en")} | ${mb.toFixed(1)} |`,
  );
  const grewMb = Math.max(...rssMb) - rssMb[0];
  return `## A million calls

One client makes a million calls, 64 at a time, over cleartext: resident memory of the process, after a garbage collection, in MB. From the ${step.toLocaleString("en")}th call on it grew by ${Math.max(0, grewMb).toFixed(1)} MB at most. Measured on commit ${commitName()} with Node ${process.version} by \`npm run bench -- --memory\`.

| calls | resident |
| ---: | ---: |
${after.join("\n")}
`;
}
