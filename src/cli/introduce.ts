import { ConnectError } from "@connectrpc/connect";
import type { Connection } from "./connection.js";
import { explain } from "./explain.js";
import { type Io, line } from "./io.js";
import type { LoggedCommand, LogHead } from "./log/entry.js";
import { printable } from "./printable.js";
import { type Identity, NoAccess, whoAmI } from "./whoami.js";

/**
 * Finds out the server and the account of the calls. Undefined, after reporting the reason, when that fails.
 */
export async function identify(connection: Connection, io: Io): Promise<Identity | undefined> {
  try {
    return await whoAmI(connection);
  } catch (error) {
    if (error instanceof NoAccess || error instanceof ConnectError) {
      line(io.stderr, error instanceof NoAccess ? printable(error.message) : explain(error));
      line(io.stderr, "Nothing was done. zitadel-user-grants doctor finds out more.");
      return undefined;
    }
    throw error;
  }
}

/** Shows the server, the account, and whatever else matters before a command starts. */
export function introduce(
  connection: Connection,
  identity: Identity,
  more: Readonly<Record<string, string>>,
  io: Io,
): void {
  const lines = {
    Instance: connection.baseUrl,
    Organization: identity.organization,
    Account: identity.account,
    ...more,
  };
  for (const [title, text] of Object.entries(lines)) {
    line(io.stderr, `${title.padEnd(14)}${printable(text)}`);
  }
}

/** The part of it that the log of a run records. */
export function headOf(
  command: LoggedCommand,
  connection: Connection,
  identity: Identity,
): LogHead {
  return {
    command,
    url: connection.baseUrl,
    instanceHost: connection.instanceHost,
    protocol: connection.protocol,
    orgId: identity.orgId,
    orgName: identity.orgName,
    orgGiven: connection.orgId !== undefined,
    accountId: identity.accountId,
    accountName: identity.accountName,
  };
}
