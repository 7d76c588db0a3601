import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startJsonServer } from "./json-server.js";
import { writeDeactivations } from "./log/deactivations.js";

const total = 1_000_000;
const mostMegabytes = 800;
/** Seen: half a minute for the list, a minute and a half for the removal, a minute for verify. */
const timeoutMs = 1_200_000;
const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cli-memory-"));

/** Makes other grants of the same server. */
let shift = 0n;
let state = "ACTIVE";
/** A grant of a million, made up when it is asked for. */
const grantJson = (n: number) => ({
  id: String(400986363463207974n + shift + BigInt(n) * 65536n),
  details: {
    sequence: "1",
    creationDate: "2026-11-24T06:41:37.545689Z",
    changeDate: "2026-11-24T06:41:37.545689Z",
    resourceOwner: "400982547602934822",
  },
  roleKeys: ["reader", "writer"],
  state: `USER_GRANT_STATE_${state}`,
  userId: String(500986363463207974n + BigInt(n % 300_000)),
  userName: `user${n}`,
  email: `user${n}@example.com`,
  displayName: `Jane Doe ${n}`,
  projectId: String(1000 + (n % 50)),
  projectName: `Billing ${n % 50}`,
  preferredLoginName: `user${n}`,
  userType: "TYPE_HUMAN",
});

let server: Awaited<ReturnType<typeof startJsonServer>>;
beforeAll(async () => {
  server = await startJsonServer(({ path, body }) => {
    server.requests.length = 0;
    if (path.startsWith("/auth/v1/permissions/")) {
      return { body: { result: ["user.grant.read"] } };
    }
    if (path.endsWith("/_search")) {
      const from = Number(body.query.offset);
      const count = Math.max(0, Math.min(body.query.limit, total - from));
      const result = Array.from({ length: count }, (_, index) => grantJson(from + index));
      return { body: { details: { totalResult: String(total) }, result } };
    }
    if (path.endsWith("/users/me")) {
      return { body: { user: { id: "1" } } };
    }
    if (path.endsWith("/orgs/me")) {
      return { body: { org: { id: "2", name: "Org" } } };
    }
    if (path.endsWith("/_bulk")) {
      // A million others are still there.
      shift = 7n;
      return { body: {} };
    }
    return { status: 404 };
  });
  writeFileSync(
    join(directory, "peak.mjs"),
    `import { writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(process.env.PEAK, String(process.resourceUsage().maxRSS / 1024)));`,
  );
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

/** Runs the command as a process, and returns its exit code and the most megabytes that it held. */
async function measured(argv: readonly string[], output: string) {
  const peak = join(directory, "peak");
  const child = spawn(process.execPath, ["--import", join(directory, "peak.mjs"), bin, ...argv], {
    env: {
      ...{ ...process.env, ZITADEL_URL: server.baseUrl, ZITADEL_TOKEN: "x", PEAK: peak },
      ZITADEL_PROTOCOL: "json",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.pipe(createWriteStream(output));
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  return { exitCode, megabytes: Number(readFileSync(peak, "utf8")) };
}

it(
  "a million grants are listed, removed from that list, and verified, each within 800 MB",
  async () => {
    const plan = join(directory, "plan.csv");
    const log = join(directory, "run.jsonl");
    const listed = await measured(["list", "--csv", "--quiet"], plan);
    expect(listed.exitCode).toBe(0);
    expect(listed.megabytes).toBeLessThan(mostMegabytes);
    const removed = await measured(
      ["remove", "--file", plan, "--yes", "--log", log],
      join(directory, "results"),
    );
    expect(removed.exitCode).toBe(0);
    expect(removed.megabytes).toBeLessThan(mostMegabytes);
    const verified = await measured(["verify", log, "--json"], join(directory, "findings"));
    expect(verified.exitCode).toBe(0);
    expect(verified.megabytes).toBeLessThan(mostMegabytes);
    const seen = [listed, removed, verified].map(({ megabytes }) => megabytes.toFixed());
    console.log(`list ${seen[0]} MB, remove ${seen[1]} MB, verify ${seen[2]} MB`);
  },
  timeoutMs,
);

it("a million deactivations are verified within 800 MB", { timeout: timeoutMs }, async () => {
  const log = join(directory, "deactivated.jsonl");
  writeDeactivations(log, server.baseUrl, total, grantJson);
  state = "INACTIVE";
  const { exitCode, megabytes } = await measured(["verify", log], join(directory, "findings"));
  expect(exitCode).toBe(0);
  expect(megabytes).toBeLessThan(mostMegabytes);
  console.log(`verify of deactivations ${megabytes.toFixed()} MB`);
});
