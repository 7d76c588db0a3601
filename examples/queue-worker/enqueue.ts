// Puts grants into the queue, one id a line on standard input:
//
//   DATABASE_URL=postgres://… ZITADEL_ORG_ID=… node enqueue.ts < ids.txt
import { createInterface } from "node:readline";
import type { JobInsert } from "pg-boss";
import { type Batch, batchSize, openQueue, queueName, readEnvironment } from "./queue.ts";

const { databaseUrl, orgId } = readEnvironment();
const boss = await openQueue(databaseUrl);

let grants = 0;
let grantIds: string[] = [];
async function send(): Promise<void> {
  if (grantIds.length > 0) {
    grants += grantIds.length;
    const job: JobInsert<Batch> = { data: { orgId, grantIds }, group: { id: "zitadel" } };
    await boss.insert(queueName, [job]);
    grantIds = [];
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== "") {
    grantIds.push(line.trim());
  }
  if (grantIds.length === batchSize) {
    await send();
  }
}
await send();
console.log(`${grants} grants queued`);
await boss.stop();
