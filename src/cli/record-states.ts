import { ConnectError } from "@connectrpc/connect";
import type { Connection } from "./connection.js";
import { explain } from "./explain.js";
import type { Gathered } from "./gather.js";
import { toLoggedGrant } from "./grant-record.js";
import { inParallel } from "./in-parallel.js";
import { Interrupted, type Io, line } from "./io.js";
import type { RunLog } from "./log/run-log.js";
import { createLookup } from "./lookup.js";
import { Overview } from "./overview.js";
import { lookupTurns, type Rate } from "./rate.js";

const concurrency = 8;

/**
 * Looks up each grant, and records its state before the run in the log, so that it can be restored. A grant
 * that is not found is recorded without a state. Undefined, after reporting the reason, when grants cannot be
 * read.
 *
 * @throws Interrupted at Ctrl-C.
 */
export async function recordStates(
  { grants, unmatched }: Gathered,
  connection: Connection,
  rate: Rate,
  log: RunLog,
  io: Io,
): Promise<Gathered | undefined> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const overview = new Overview();
  function* indexes() {
    for (let index = 0; index < grants.size; index++) {
      yield index;
    }
  }
  try {
    await inParallel(indexes(), concurrency, async (index) => {
      const known = grants.grant(index);
      // ZITADEL does not compare the user, but requires one.
      const record = await lookup.getGrant(known.userId || "0", known.grantId);
      const grant = record === undefined ? known : toLoggedGrant(record);
      grants.add(grant.grantId, grant.userId);
      overview.add(grant);
      log.grant(grant);
    });
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    return { grants, overview, unmatched };
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    line(io.stderr, `The grants cannot be recorded: ${explain(error)}`);
    line(io.stderr, "Nothing was done.");
    return undefined;
  } finally {
    stopListening();
  }
}
