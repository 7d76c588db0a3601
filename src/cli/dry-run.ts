import { Code, ConnectError } from "@connectrpc/connect";
import { close } from "../client/close.js";
import type { Connection } from "./connection.js";
import { explain } from "./explain.js";
import type { GrantTable } from "./grant-table.js";
import { exitCode, type Io, line } from "./io.js";
import { createLookup } from "./lookup.js";
import { probePermission } from "./permission.js";
import { counted, printable } from "./printable.js";
import { lookupTurns, type Rate } from "./rate.js";
import type { BulkCommand } from "./settings.js";
import type { Identity } from "./whoami.js";

/** Concurrent lookups. */
const concurrency = 4;

/** Whether the command could be carried out, as far as can be checked without changing anything. */
export async function checkPermission(
  command: BulkCommand,
  connection: Connection,
  io: Io,
): Promise<boolean> {
  const client = connection.createClient();
  try {
    const { ok, detail } = await probePermission(client, connection.protocol, command);
    if (!ok) {
      line(io.stderr, detail);
      line(io.stderr, "This was a dry run: nothing was done, and nothing could be.");
    }
    return ok;
  } finally {
    close(client);
  }
}

/** Reports each grant: active, inactive, not found, or of another organization. */
export async function lookUpEach(
  connection: Connection,
  grants: GrantTable,
  identity: Identity,
  rate: Rate,
  io: Io,
): Promise<number> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const counts = new Map<string, number>();
  let next = 0;
  const work = async () => {
    while (next < grants.size) {
      const index = next++;
      const grantId = grants.grantId(index);
      // ZITADEL does not compare the user, but requires one.
      const record = await lookup.getGrant(grants.userId(index) || "0", grantId);
      const orgId = record?.orgId ?? record?.resourceOwner;
      const isElsewhere =
        orgId !== undefined && identity.orgId !== null && orgId !== identity.orgId;
      const found = isElsewhere
        ? "of another organization"
        : record === undefined
          ? "not found"
          : record.state;
      counts.set(found, (counts.get(found) ?? 0) + 1);
      line(io.stdout, `${grantId}\t${found}${isElsewhere ? ` (${printable(orgId)})` : ""}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, work));
  } catch (error) {
    const interrupted = stop.signal.aborted;
    stop.abort();
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    if (interrupted) {
      line(io.stderr, "Stopped.");
      return exitCode.stopped;
    }
    line(io.stderr, `The grants cannot be looked up: ${explain(error)}`);
    // Reading grants is a separate permission.
    return error.code === Code.PermissionDenied ? exitCode.done : exitCode.aborted;
  } finally {
    stopListening();
  }
  const found = [...counts].map(([what, count]) => `${count} ${what}`).join(", ");
  line(io.stderr, `${counted(grants.size, "grant")}: ${found}.`);
  if ((counts.get("not found") ?? 0) > 0) {
    line(
      io.stderr,
      "What is not found is gone, was never there, or belongs to another organization: they look the same from here.",
    );
  }
  const missing = grants.size - (counts.get("active") ?? 0) - (counts.get("inactive") ?? 0);
  return missing > 0 ? exitCode.incomplete : exitCode.done;
}
