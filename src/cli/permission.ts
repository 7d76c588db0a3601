import { ConnectError } from "@connectrpc/connect";
import type { ManagementClient } from "../client/client.js";
import { describeError } from "../errors/describe.js";
import type { ProtocolName } from "./connection.js";
import { explain } from "./explain.js";
import type { BulkCommand } from "./settings.js";

/** The result of a probe. */
export interface Probe {
  readonly ok: boolean;
  /** Whether ZITADEL itself responded. */
  readonly reached: boolean;
  readonly detail: string;
}

/** An id that no grant has: ZITADEL generates long numbers. */
const noGrant = "0";

/**
 * Finds out whether calls arrive, and whether this account may make them, without changing anything. ZITADEL
 * checks token, organization and permission before it rejects an empty list or looks for a grant that does
 * not exist.
 */
export async function probePermission(
  client: ManagementClient,
  protocol: ProtocolName,
  command: BulkCommand,
): Promise<Probe> {
  if (command === "deactivate") {
    const call = client.deactivateUserGrant({ userId: noGrant, grantId: noGrant });
    return await expectError(call, "COMMAND-3M9sd");
  }
  const empty = await expectError(client.bulkRemoveUserGrant({ grantId: [] }), "COMMAND-5M0sd");
  if (!empty.ok || protocol !== "json") {
    return empty;
  }
  // An empty list looks like one that was lost in transit.
  const list = await expectError(
    client.bulkRemoveUserGrant({ grantId: [noGrant] }),
    "COMMAND-1My0t",
  );
  return list.ok ? empty : list;
}

async function expectError(call: Promise<unknown>, expected: string): Promise<Probe> {
  try {
    await call;
    return { ok: false, reached: false, detail: "OK, where ZITADEL rejects: is this ZITADEL?" };
  } catch (reason) {
    const error = ConnectError.from(reason);
    const { id } = describeError(error);
    return id === expected
      ? { ok: true, reached: true, detail: "may change grants" }
      : { ok: false, reached: id !== undefined, detail: explain(error) };
  }
}
