import type { Pool } from "pg";
import type { RemoveOutcome } from "zitadel-user-grants/bulk";

/**
 * What is known of each grant, in one row. The row is written before the first request that names the
 * grant, so a worker that dies leaves a trace of what it may have done.
 */
export interface Ledger {
  /** Starts an attempt for each grant that is not decided yet, and returns those grants. */
  begin(grantIds: readonly string[]): Promise<Attempt[]>;
  /** Stores what became of a grant. */
  end(outcome: RemoveOutcome, unsettled: number): Promise<void>;
  /** How many grants have which status; `open` for those that are not decided. */
  count(): Promise<Record<string, number>>;
}

export interface Attempt {
  grantId: string;
  /** Attempts whose effect is not known, this one included: more than one means that one was cut off. */
  unsettled: number;
}

export async function openLedger(pool: Pool): Promise<Ledger> {
  // Two workers that start together would otherwise both create the table.
  await pool.query(`
    begin;
    select pg_advisory_xact_lock(7265001);
    create table if not exists removed_user_grant (
      grant_id text primary key,
      unsettled integer not null,
      status text check (status in ('removed', 'not-found')),
      outcome_unknown boolean not null default false,
      error text,
      changed_at timestamptz not null default now()
    );
    commit;`);
  return {
    async begin(grantIds) {
      const { rows } = await pool.query<{ grant_id: string; unsettled: number }>(
        `insert into removed_user_grant as known (grant_id, unsettled)
         select id, 1 from (select distinct unnest($1::text[]) as id) as ids order by id
         on conflict (grant_id) do update
           set unsettled = known.unsettled + 1, changed_at = now()
           where known.status is null
         returning grant_id, unsettled`,
        [grantIds],
      );
      return rows.map(({ grant_id, unsettled }) => ({ grantId: grant_id, unsettled }));
    },
    async end({ grantId, status, error, answerLost }, unsettled) {
      if (status === "failed") {
        await pool.query(
          `update removed_user_grant
           set error = $2, unsettled = unsettled - $3, changed_at = now()
           where grant_id = $1 and status is null`,
          // Without a lost response the server did not apply it: this attempt leaves no doubt behind.
          [grantId, error?.message ?? "", answerLost ? 0 : 1],
        );
        return;
      }
      // An earlier attempt may have removed the grant and died before it could say so.
      const unknown = status === "not-found" && (answerLost === true || unsettled > 1);
      // A confirmed removal is final: what another attempt reports later does not replace it.
      await pool.query(
        `update removed_user_grant
         set status = $2, outcome_unknown = $3, error = null, changed_at = now()
         where grant_id = $1 and (status is null or $2 = 'removed')`,
        [grantId, status, unknown],
      );
    },
    async count() {
      const { rows } = await pool.query<{ status: string; count: string }>(
        `select case
            when status is null then 'open'
            when outcome_unknown then 'not-found, possibly removed by an earlier attempt'
            else status
          end as status, count(*) from removed_user_grant group by 1 order by 1`,
      );
      return Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
    },
  };
}
