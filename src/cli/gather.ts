import { ConnectError } from "@connectrpc/connect";
import type { Connection } from "./connection.js";
import { explain } from "./explain.js";
import { oneOf } from "./flags.js";
import { toLoggedGrant } from "./grant-record.js";
import { GrantTable } from "./grant-table.js";
import { formats } from "./input/format.js";
import { readGrants } from "./input/read-grants.js";
import { Interrupted, type Io, line } from "./io.js";
import type { LoggedGrant } from "./log/entry.js";
import type { RunLog } from "./log/run-log.js";
import { createLookup } from "./lookup.js";
import { Overview } from "./overview.js";
import { lookupTurns, type Rate } from "./rate.js";
import { type SelectionEnd, selectGrants } from "./selection.js";
import type { Selectors } from "./selectors.js";
import type { BulkCommand } from "./settings.js";

/** The grants of a run, and what is shown of them. */
export interface Gathered {
  readonly grants: GrantTable;
  readonly overview: Overview;
  /** Selectors that match no grant, as they were given. */
  readonly unmatched: readonly string[];
}

export interface InputFlags {
  readonly file?: string | undefined;
  readonly format?: string | undefined;
  readonly column?: string | undefined;
  readonly "user-column"?: string | undefined;
}

/** Reads the grants from arguments, a file or standard input, and adds them to the log. @throws UsageError */
export async function gatherInput(
  command: BulkCommand,
  positionals: readonly string[],
  flags: InputFlags,
  log: RunLog | undefined,
  io: Io,
): Promise<Gathered> {
  const gathering = new Gathering(log);
  const reading = {
    file: flags.file,
    format: oneOf("--format", flags.format, formats),
    column: flags.column,
    userColumn: flags["user-column"],
  };
  const withUser = command === "deactivate";
  await readGrants(positionals, reading, withUser, (grant) => gathering.add(grant), io);
  return { ...gathering, unmatched: [] };
}

/**
 * Searches for the grants that match the selectors, to the end: removing grants while paging would shift the
 * rest. Undefined, after reporting the reason, when the search fails.
 *
 * @throws UsageError; Interrupted at Ctrl-C.
 */
export async function gatherSelected(
  selectors: Selectors,
  connection: Connection,
  rate: Rate,
  log: RunLog | undefined,
  io: Io,
): Promise<Gathered | undefined> {
  const stop = new AbortController();
  const stopListening = io.onInterrupt(() => stop.abort());
  const lookup = createLookup(connection, { signal: stop.signal, turn: lookupTurns(rate) });
  const gathering = new Gathering(log);
  let end: SelectionEnd | undefined;
  try {
    const selection = selectGrants(lookup, selectors);
    while (end === undefined) {
      const { done, value } = await selection.next();
      if (done) {
        end = value;
      } else {
        gathering.add(toLoggedGrant(value));
      }
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw error;
    }
    if (stop.signal.aborted) {
      throw new Interrupted();
    }
    line(io.stderr, explain(error));
    line(io.stderr, "Nothing was done: the grants were not read to the end.");
    return undefined;
  } finally {
    stopListening();
  }
  if (end.unstable) {
    line(
      io.stderr,
      "Grants were added or removed while they were read: some may be missing. Run it again afterwards.",
    );
  }
  return { ...gathering, unmatched: end.unmatched };
}

class Gathering {
  readonly grants = new GrantTable();
  readonly overview = new Overview();
  readonly #log: RunLog | undefined;

  constructor(log: RunLog | undefined) {
    this.#log = log;
  }

  /** Whether the grant is new. */
  add(grant: LoggedGrant): boolean {
    const before = this.grants.size;
    this.grants.add(grant.grantId, grant.userId);
    if (this.grants.size === before) {
      return false;
    }
    this.overview.add(grant);
    this.#log?.grant(grant);
    return true;
  }
}
