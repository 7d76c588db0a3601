import { ConnectError } from "@connectrpc/connect";
import type { ManagementClient } from "../client/client.js";
import { describeError } from "../errors/describe.js";
import type { Connection, ProtocolName } from "./connect.js";
import { explain } from "./explain.js";
import { type Io, line } from "./io.js";
import type { LoggedCommand, LogHead } from "./log/entry.js";
import { printable } from "./terminal.js";

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

/** The account and the server of the calls. */
export interface Identity {
  /** For display: name and id. */
  readonly account: string;
  readonly organization: string;
  readonly accountId: string;
  readonly accountName: string | undefined;
  /** Null if the account's role may not see its organization and none was given. */
  readonly orgId: string | null;
  readonly orgName: string | undefined;
}

/** The server cannot be reached, or does not accept the token. */
export class NoAccess extends Error {
  override readonly name = "NoAccess";
}

/**
 * Requests account and organization: two plain requests that are allowed for every role, or report that they
 * are not.
 *
 * @throws NoAccess when there is no connection, or when the token is rejected; the token source's error.
 */
export async function whoAmI(connection: Connection): Promise<Identity> {
  const user = await request(connection, "/oidc/v1/userinfo");
  const { sub, name, preferred_username: userName } = user.body;
  const org = await request(
    connection,
    "/management/v1/orgs/me",
    connection.orgId === undefined ? {} : { "x-zitadel-orgid": connection.orgId },
    // A limited role may not see its organization (AUTH-5mWD2); its permissions are checked later.
    [403, 404],
  );
  const { id = connection.orgId, name: orgName } = (org.body.org ?? {}) as Record<string, unknown>;
  return {
    account: named(name ?? userName, sub),
    organization: id === undefined ? "the account's own" : named(orgName, id),
    accountId: String(sub),
    accountName: textOf(name ?? userName),
    orgId: id === undefined ? null : String(id),
    orgName: textOf(orgName),
  };
}

async function request(
  connection: Connection,
  path: string,
  headers: Record<string, string> = {},
  tolerated: readonly number[] = [],
): Promise<{ body: Record<string, unknown> }> {
  const url = connection.baseUrl + path;
  let response: Response;
  let text: string;
  try {
    response = await connection.get(path, headers);
    text = await response.text();
  } catch (error) {
    if (error instanceof ConnectError) {
      // The token source failed.
      throw error;
    }
    throw new NoAccess(`No response from ${url}: ${reasonOf(error)}`);
  }
  if (!response.ok && !tolerated.includes(response.status)) {
    const what =
      response.status === 401
        ? "the token is unknown or has expired"
        : `HTTP ${response.status}, where ZITADEL responds with 200`;
    throw new NoAccess(`${url}: ${what}.`);
  }
  try {
    const body: unknown = JSON.parse(text);
    return { body: typeof body === "object" && body !== null ? { ...body } : {} };
  } catch {
    throw new NoAccess(`${url} does not respond as ZITADEL does: is this its address?`);
  }
}

/** The message of fetch is "fetch failed"; its cause has the reason. */
export function reasonOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  if (innermost instanceof AggregateError && innermost.errors[0] instanceof Error) {
    innermost = innermost.errors[0];
  }
  const { message, code } = innermost as Error & { code?: string };
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function named(name: unknown, id: unknown): string {
  return typeof name === "string" && name !== "" ? `${name} (${id})` : String(id);
}

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
  command: LoggedCommand,
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
