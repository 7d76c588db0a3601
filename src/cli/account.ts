import { Code, ConnectError } from "@connectrpc/connect";
import { errorIds, platform } from "../bulk/internal.js";
import { close, describeError, isGrantNotFound } from "../index.js";
import type { Connection } from "./connect.js";
import { explain, messageOf, type Use } from "./explain.js";
import { createLookup, type Lookup, type LookupOptions } from "./grants/lookup.js";
import { Ended, exitCode, type Io, line, UsageError } from "./io.js";
import type { LoggedCommand, LogHead } from "./log/entry.js";
import { named } from "./log/read.js";
import { lookupTurns } from "./pace.js";
import { duration } from "./progress.js";
import { printable } from "./terminal.js";

/** The server, the account of the calls, and their organization, as the log of a run records them. */
export type Identity = Omit<LogHead, "command" | "rate" | "selectors">;

export interface Identified {
  readonly connection: Connection;
  readonly identity: Identity;
}

/**
 * Finds out the server and the account of the calls, before anything else is done. A command that only reads
 * goes on over JSON where that alone gets through; how a change is sent is the user's decision.
 *
 * @throws Ended with the reason when that fails, or at Ctrl-C; UsageError for a change when JSON gets through.
 */
export async function identify(connection: Connection, io: Io, use: Use): Promise<Identified> {
  const { baseUrl, protocol } = connection;
  const limits = { connectMs: 5000 };
  return readWith(connection, limits, "Nothing was done.", io, async (lookup, options) => {
    try {
      return { connection, identity: await whoAmI(lookup, connection) };
    } catch (error) {
      if (!(error instanceof ConnectError) || error.isWireError || protocol === "json") {
        throw error;
      }
      const json = connection.over("json");
      const overJson = createLookup(json, { ...options, giveUpMs: 0 });
      const identity = await whoAmI(overJson, json).catch(() => {
        throw error;
      });
      if (use === "change") {
        throw new UsageError(
          `--protocol ${protocol} does not get through: ${messageOf(error)}\nNothing was done. JSON gets through: add --protocol json.`,
        );
      }
      line(io.stderr, `${protocol} does not get through to ${baseUrl}: this reads over JSON.`);
      return { connection: json, identity };
    }
  });
}

/**
 * Reads with a lookup that Ctrl-C ends at once: before the command has changed anything, or as it only reads.
 *
 * @param left what is left when that fails, as a sentence.
 * @throws Ended with the reason when a request fails, or at Ctrl-C.
 */
export async function readWith<T>(
  connection: Connection,
  { rate, connectMs }: { readonly rate?: number | undefined; readonly connectMs?: number },
  left: string,
  io: Io,
  read: (lookup: Lookup, options: LookupOptions) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  try {
    const options = { ...lookupOptions(stop.signal, rate, io), connectMs };
    return await read(createLookup(connection, options), options);
  } catch (error) {
    if (stop.signal.aborted) {
      throw new Ended(exitCode.stopped, `Stopped. ${left}`);
    }
    if (error instanceof ConnectError) {
      const reason = explain(error, "read");
      const more = "zitadel-user-grants doctor finds out more.";
      throw new Ended(exitCode.aborted, `${reason}\n${left} ${more}`);
    }
    throw error;
  } finally {
    // No request is in flight after this.
    stop.abort();
    stopListening();
  }
}

/** Two requests that every role is allowed, or is told that it is not. */
export async function whoAmI(lookup: Lookup, connection: Connection): Promise<Identity> {
  const { baseUrl: url, instanceHost, protocol, orgId: given } = connection;
  const { userId, name, homeOrgId } = await lookup.account();
  const org = await lookup.organization().catch((error) => {
    const { code, id } = describeError(error);
    const mayNot = code === Code.PermissionDenied || code === Code.NotFound;
    // Without a header, calls go to the organization of the account.
    const called = given ?? homeOrgId;
    if (!mayNot || id === undefined || id === "AUTH-Bs7Ds" || called === undefined) {
      throw error;
    }
    // A limited role may not see its organization (AUTH-5mWD2); its permissions are checked later.
    return { id: called, name: undefined };
  });
  if (given !== undefined && org.id !== given) {
    // The calls would change what is in another organization.
    throw new ConnectError(
      `organization ${given} was given, and the server works in ${named(org.name, org.id)}: something in between drops the header x-zitadel-orgid`,
      Code.FailedPrecondition,
    );
  }
  return {
    ...{ url, instanceHost, protocol },
    ...{ accountId: userId, accountName: name, orgId: org.id, orgName: org.name },
  };
}

export function lookupOptions(
  signal: AbortSignal,
  rate: number | undefined,
  io: Io,
): LookupOptions {
  return { signal, turn: lookupTurns(rate), onPause: showPause(io) };
}

/** Says why nothing happens, once in ten seconds. */
function showPause(io: Io): (error: ConnectError, pauseMs: number) => void {
  let shownMs = Number.NEGATIVE_INFINITY;
  return (error, pauseMs) => {
    const nowMs = platform.monotonicMs();
    if (pauseMs >= 2000 && nowMs - shownMs >= 10_000) {
      shownMs = nowMs;
      line(io.stderr, `${explain(error)} Trying again in ${duration(pauseMs)}.`);
    }
  };
}

/** Shows the server, the account, and whatever else matters before a command starts. */
export function introduce(
  identity: Identity,
  more: Readonly<Record<string, string | undefined>>,
  io: Io,
): void {
  const lines = {
    Instance: identity.url,
    Organization: named(identity.orgName, identity.orgId),
    Account: named(identity.accountName, identity.accountId),
    ...more,
  };
  for (const [title, text] of Object.entries(lines)) {
    if (text !== undefined) {
      line(io.stderr, `${title.padEnd(14)}${printable(text)}`);
    }
  }
}

/** The result of a probe. */
export interface Probe {
  readonly ok: boolean;
  /** Whether ZITADEL itself responded to the whole request. */
  readonly reached: boolean;
  readonly detail: string;
}

/** An id that no grant has: ZITADEL generates long numbers. */
export const noGrant = { userId: "0", grantId: "0" };

/**
 * Finds out whether calls arrive, and whether this account may make them, without changing anything. ZITADEL
 * checks token, organization and permission before it looks for a grant that does not exist.
 */
export async function probePermission(
  connection: Connection,
  command: LoggedCommand,
): Promise<Probe> {
  const client = connection.createClient();
  try {
    await (command === "remove"
      ? client.bulkRemoveUserGrant({ grantId: [noGrant.grantId] })
      : client.deactivateUserGrant(noGrant));
    return { ok: false, reached: false, detail: "OK, where ZITADEL rejects: is this ZITADEL?" };
  } catch (error) {
    if (isGrantNotFound(error)) {
      return { ok: true, reached: true, detail: "allowed" };
    }
    const { id } = describeError(error);
    const reached = id !== undefined && id !== errorIds.emptyRequest;
    return { ok: false, reached, detail: explain(error) };
  } finally {
    close(client);
  }
}
