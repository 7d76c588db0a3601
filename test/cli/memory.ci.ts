import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";

const total = 100_000;
/** A tenth of it is live; V8 collects the rest when it sees fit. docs/scale.md has what a million take. */
const mostMegabytes = 500;
const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cli-memory-"));

let sandbox: SandboxServer;
beforeAll(async () => {
  sandbox = await startSandbox();
  const projectId = sandbox.addProject({ roleKeys: ["reader", "writer"] }).projectId;
  for (let n = 0; n < total; n++) {
    sandbox.addGrant({ projectId, roleKeys: ["reader", "writer"] });
  }
  writeFileSync(
    join(directory, "peak.mjs"),
    `import { writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(process.env.PEAK, String(process.resourceUsage().maxRSS / 1024)));`,
  );
}, 120_000);
afterAll(async () => {
  await sandbox.close();
  rmSync(directory, { recursive: true });
});

/** Runs the command as a process, and returns its exit code and the most megabytes that it held. */
async function measured(argv: readonly string[], output: string) {
  const peak = join(directory, "peak");
  const { baseUrl, token } = sandbox;
  const child = spawn(process.execPath, ["--import", join(directory, "peak.mjs"), bin, ...argv], {
    env: { ...process.env, ZITADEL_URL: baseUrl, ZITADEL_TOKEN: token, PEAK: peak },
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.pipe(createWriteStream(output));
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  return { exitCode, megabytes: Number(readFileSync(peak, "utf8")) };
}

it("100,000 grants are listed, removed from that list and verified in little memory", async () => {
  const plan = join(directory, "plan.csv");
  const log = join(directory, "run.jsonl");
  const results = join(directory, "results");
  const seen: string[] = [];
  for (const [argv, output] of [
    [["list", "--csv"], plan],
    [["remove", "--file", plan, "--yes", "--log", log], results],
    [["verify", log, "--json"], results],
    [["report", log, "--csv"], results],
  ] as const) {
    const { exitCode, megabytes } = await measured(argv, output);
    expect([argv[0], exitCode]).toEqual([argv[0], 0]);
    expect(megabytes).toBeLessThan(mostMegabytes);
    seen.push(`${argv[0]} ${megabytes.toFixed()} MB`);
  }
  console.log(seen.join(", "));
}, 600_000);
