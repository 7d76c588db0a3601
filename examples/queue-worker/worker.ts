// Works on the queue. Start as many as you like, on as many machines:
//
//   DATABASE_URL=postgres://… ZITADEL_URL=https://… ZITADEL_TOKEN=… node worker.ts
import pg from "pg";
import { close, createManagementClient } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";
import { openLedger } from "./ledger.ts";
import { type Batch, openQueue, queueName, readEnvironment } from "./queue.ts";

const { ZITADEL_URL, ZITADEL_TOKEN } = process.env;
if (!ZITADEL_URL || !ZITADEL_TOKEN) {
  throw new Error("Set ZITADEL_URL and ZITADEL_TOKEN");
}
const { databaseUrl } = readEnvironment();
const pool = new pg.Pool({ connectionString: databaseUrl });
const ledger = await openLedger(pool);
const boss = await openQueue(databaseUrl);
const client = createManagementClient({ baseUrl: ZITADEL_URL, token: ZITADEL_TOKEN });

await boss.work<Batch>(
  queueName,
  {
    // Four requests in flight are what a ZITADEL serves fastest, over all workers together.
    localConcurrency: 4,
    groupConcurrency: 4,
    pollingIntervalSeconds: 0.5,
  },
  async ([job]) => {
    if (job === undefined) {
      return;
    }
    const { orgId, grantIds } = job.data;
    const open = await ledger.begin(grantIds);
    const unsettled = new Map(open.map((attempt) => [attempt.grantId, attempt.unsettled]));
    let failed: Error | undefined;
    for await (const outcome of removeUserGrants(client, unsettled.keys(), {
      orgId,
      concurrency: 1,
      // Aborted when the job has run out of time or the queue has given it to another worker.
      signal: job.signal,
    })) {
      await ledger.end(outcome, unsettled.get(outcome.grantId) ?? 1);
      failed ??= outcome.error;
    }
    if (failed !== undefined) {
      // The queue runs the job again, and only its undecided grants are attempted.
      throw failed;
    }
  },
);
console.log("ready");

async function stop(): Promise<void> {
  await boss.stop({ graceful: true });
  close(client);
  await pool.end();
}
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
