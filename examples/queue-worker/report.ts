// Shows how many grants came to which end: DATABASE_URL=postgres://… node report.ts
import pg from "pg";
import { openLedger } from "./ledger.ts";
import { readEnvironment } from "./queue.ts";

const pool = new pg.Pool({ connectionString: readEnvironment().databaseUrl });
console.log(JSON.stringify(await (await openLedger(pool)).count()));
await pool.end();
