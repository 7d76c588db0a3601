import { type Connection, type ConnectionFlags, readConnection } from "../connection.js";
import { identify, introduce } from "../introduce.js";
import { type Io, UsageError } from "../io.js";
import type { Identity } from "../whoami.js";
import { LogContent } from "./content.js";
import type { LogHead } from "./entry.js";
import { connectionFlagsOf, differentOrganization } from "./same-run.js";

/**
 * The path of a log, from its flag or as the only argument. @throws UsageError unless exactly one is given.
 */
export function logPathOf(
  command: string,
  flag: string | undefined,
  positionals: readonly string[],
): string {
  const paths = [...(flag === undefined ? [] : [flag]), ...positionals];
  const [path] = paths;
  if (path === undefined || paths.length > 1) {
    throw new UsageError(`${command} takes the path of one log: ${command} --log <path>.`);
  }
  return path;
}

export interface OpenedLog {
  readonly content: LogContent;
  readonly connection: Connection;
  readonly identity: Identity;
}

/**
 * Reads a log, and connects to the server of its run. Undefined, after reporting the reason, when it cannot
 * be reached.
 *
 * @throws UsageError when it is not a log, or belongs to another instance or organization.
 */
export async function connectToLog(
  path: string,
  command: string,
  flags: ConnectionFlags,
  io: Io,
): Promise<OpenedLog | undefined> {
  LogContent.readHead(path, command);
  const content = LogContent.read(path, command);
  const connected = await connectAs(content.head, flags, io);
  if (connected === undefined) {
    return undefined;
  }
  introduce(
    connected.connection,
    connected.identity,
    { Log: path, Grants: `${content.grants.size} of a run to ${content.head.command}` },
    io,
  );
  return { content, ...connected };
}

/** The connection of a run, with the current credentials. */
export async function connectAs(
  head: LogHead,
  flags: ConnectionFlags,
  io: Io,
): Promise<{ readonly connection: Connection; readonly identity: Identity } | undefined> {
  const connection = await readConnection(connectionFlagsOf(head, flags, io), io);
  const identity = await identify(connection, io);
  if (identity === undefined) {
    return undefined;
  }
  const difference = differentOrganization(head, connection, identity);
  if (difference !== undefined) {
    throw new UsageError(difference);
  }
  return { connection, identity };
}
