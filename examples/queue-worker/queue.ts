import { PgBoss } from "pg-boss";

/** One job: grants to remove, with the organization that they belong to. */
export interface Batch {
  orgId: string | undefined;
  grantIds: string[];
}

export const queueName = "remove-user-grants";

/** Most grants of a job: what ZITADEL removes fastest in one request. */
export const batchSize = 100;

/** Connects to the queue and creates it if it is missing. */
export async function openQueue(connectionString: string): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString,
    // How often the queue looks for jobs whose worker has died.
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
  await boss.createQueue(queueName, {
    // A worker that was killed stops its heartbeat, and another worker gets the job.
    heartbeatSeconds: 10,
    expireInSeconds: 600,
    retryLimit: 20,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 60,
  });
  return boss;
}

/** The variables that every program of this folder needs. */
export function readEnvironment(): { databaseUrl: string; orgId: string | undefined } {
  const { DATABASE_URL, ZITADEL_ORG_ID } = process.env;
  if (!DATABASE_URL) {
    throw new Error("Set DATABASE_URL to a PostgreSQL database, as postgres://user@host/name");
  }
  return { databaseUrl: DATABASE_URL, orgId: ZITADEL_ORG_ID || undefined };
}
