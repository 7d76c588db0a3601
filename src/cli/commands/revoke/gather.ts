import { Code } from "@connectrpc/connect";
import { describeError } from "../../../index.js";
import { readWith } from "../../account.js";
import { explain } from "../../explain.js";
import { type InputGrant, readGrants } from "../../grants/input.js";
import { type ReadEachOptions, readEach } from "../../grants/read.js";
import { type GrantRecord, isForeign, personOf, toLoggedGrant } from "../../grants/record.js";
import { selectGrants, shortfallOf } from "../../grants/select.js";
import { type Io, line, UsageError } from "../../io.js";
import type { LoggedGrant, Selectors } from "../../log/entry.js";
import type { RunLog } from "../../log/write.js";
import { counted, firstOf, printable } from "../../terminal.js";
import type { RunOptions } from "./context.js";
import type { BulkFlags } from "./flags.js";
import { Overview } from "./overview.js";

/** A grant of a run; its user is "" if unknown. */
export interface RunGrant {
  readonly grantId: string;
  userId: string;
  /** What ZITADEL shows of a given grant: "active", "inactive", "not found", or which organization has it. */
  shows?: string | undefined;
}

/** The grants of a run, and what is shown of them. */
export interface Gathered {
  readonly grants: readonly RunGrant[];
  readonly overview: Overview;
  /** Selectors that match no grant, as they were given. */
  readonly unmatched: readonly string[];
  /** Why not all grants could be read, where the run goes on without them. */
  readonly shortfall?: string | undefined;
}

/** What was given, by id. */
export type Input = ReadonlyMap<string, InputGrant>;

/** Reads the grants from arguments, a file or standard input. @throws UsageError */
export async function gatherInput(
  positionals: readonly string[],
  flags: BulkFlags,
  io: Io,
): Promise<Input> {
  const grants = new Map<string, InputGrant>();
  for await (const said of readGrants(positionals, flags, io)) {
    const before = grants.get(said.grantId);
    if (before === undefined) {
      grants.set(said.grantId, said);
    } else if (
      !linesOf(before).some((one) => one.user === said.user && one.claims === said.claims)
    ) {
      before.others = [...before.others, said];
    }
  }
  if (grants.size === 0) {
    throw new UsageError("Nothing was done: there are no grants in the input.");
  }
  return grants;
}

function linesOf(given: InputGrant): readonly InputGrant[] {
  return [given, ...given.others];
}

/** What a file says otherwise than the server. */
function differences({ user, claims }: InputGrant, record: GrantRecord): string[] {
  const { userBy = "userId", projectId, projectName, roleKeys } = claims;
  const sorted = (roles: readonly string[] | undefined) => roles?.toSorted().join(", ");
  const compared = [
    [userBy, user || undefined, record[userBy]?.trim()],
    ["projectId", projectId, record.projectId],
    ["projectName", projectName, record.projectName?.trim()],
    ["roles", sorted(roleKeys), sorted(record.roleKeys)],
  ] as const;
  // What ZITADEL does not show, a grant has not: a service user has no email.
  return compared.flatMap(([name, said, shown = ""]) => {
    // ZITADEL ignores the case of users' names and addresses, and of nothing else.
    const isSame = name === userBy ? said?.toLowerCase() === shown.toLowerCase() : said === shown;
    if (said === undefined || isSame) {
      return [];
    }
    const who = name === "userId" ? ` (${personOf(record)})` : "";
    // A line break in a name must not look like a line of the tool.
    return [printable(`${name}: the file says ${said}, ZITADEL shows ${shown || "none"}${who}`)];
  });
}

/**
 * Reads what ZITADEL shows of each given grant, adds that to the log, and compares it with what the file says.
 * With --no-record, and without the permission to read them, they are gathered as they were given.
 *
 * @throws UsageError where the file and the server differ; Ended when grants cannot be read, or at Ctrl-C.
 */
export async function gatherGiven(
  grants: Input,
  flags: BulkFlags,
  { connection, identity, rate, log, io }: RunOptions,
): Promise<Gathered> {
  if (flags["no-record"]) {
    return asGiven(grants, log);
  }
  const overview = new Overview();
  const differing: string[] = [];
  const add = (grantId: string, record: GrantRecord | undefined) => {
    const given = grants.get(grantId);
    if (given === undefined) {
      return;
    }
    if (record === undefined || isForeign(record, identity)) {
      given.shows =
        record === undefined
          ? "not found"
          : `of organization ${record.orgId ?? record.resourceOwner}`;
      overview.addMissing(given.shows);
      log?.grant({ grantId });
      return;
    }
    given.shows = record.state;
    // Where they differ, nothing is sent. The same text is kept once.
    given.userId ||= record.userId;
    const grant = { ...toLoggedGrant(record), userId: given.userId };
    overview.add(grant);
    log?.grant(grant);
    for (const said of linesOf(given)) {
      const found = differences(said, record);
      if (found.length > 0) {
        const where = `${flags.file ?? "standard input"}, line ${said.number}, grant ${grantId}`;
        differing.push(`  ${where}: ${found.join("; ")}`);
      }
    }
  };
  const needsEmails = [...grants.values()].some((given) =>
    linesOf(given).some(({ claims: { userBy } }) => userBy === "email" || userBy === "userName"),
  );
  const reading: ReadEachOptions = {
    ...{
      orgId: identity.orgId,
      maxPerSecond: rate,
      needs: needsEmails ? "emails" : "project grants",
    },
    onLong: (what) => line(io.stderr, `Reading the grants first: ${what}.`),
  };
  return await readWith(connection, { rate }, "Nothing was done.", io, async (lookup) => {
    try {
      for await (const shown of readEach(lookup, [...grants.keys()], reading)) {
        for (const [grantId, record] of shown) {
          add(grantId, record);
        }
      }
    } catch (error) {
      if (!mayNotRead(error)) {
        throw error;
      }
      line(
        io.stderr,
        `The grants are not read first: ${explain(error, "read")} What they are is not shown, and they cannot be restored.`,
      );
      return asGiven(grants, log);
    }
    if (differing.length > 0) {
      throw new UsageError(
        [
          `Nothing was sent: the file says something else about ${counted(differing.length, "grant")} than ZITADEL.`,
          ...firstOf(differing),
          "Was one of its columns sorted alone, or has something changed since it was written? List the grants again.",
        ].join("\n"),
      );
    }
    return { grants: [...grants.values()], overview, unmatched: [] };
  });
}

/** The grants as they were given, without a look at the server. */
function asGiven(grants: Input, log: RunLog | undefined): Gathered {
  const overview = new Overview();
  for (const given of grants.values()) {
    const { grantId, userId } = given;
    const grant: LoggedGrant = userId === "" ? { grantId } : { grantId, userId };
    overview.add(grant);
    log?.grant(grant);
  }
  return { grants: [...grants.values()], overview, unmatched: [] };
}

function mayNotRead(error: unknown): boolean {
  const { code, id } = describeError(error);
  return code === Code.PermissionDenied || id === "AUTHZ-cdgFk";
}

/**
 * Reads the grants that match the selectors, and adds them to the log.
 *
 * @throws UsageError where a name or an email fits several; Ended when the search fails, or at Ctrl-C.
 */
export async function gatherSelected(
  selectors: Selectors,
  { connection, identity, rate, log, io }: RunOptions,
): Promise<Gathered> {
  const overview = new Overview(selectors.roles);
  const grants: RunGrant[] = [];
  return await readWith(connection, { rate }, "Nothing was done.", io, async (lookup) => {
    const selection = selectGrants(lookup, selectors, identity.orgId);
    let next = await selection.next();
    for (; !next.done; next = await selection.next()) {
      const grant = toLoggedGrant(next.value);
      grants.push({ grantId: next.value.grantId, userId: next.value.userId });
      overview.add(grant);
      log?.grant(grant);
    }
    const { ambiguous, unmatched } = next.value;
    if (ambiguous.length > 0) {
      throw new UsageError(
        ["Nothing was done.", ...ambiguous, "Name the one that is meant with --user <id>."]
          .map(printable)
          .join("\n"),
      );
    }
    const shortfall = shortfallOf(next.value, connection.protocol);
    return { grants, overview, unmatched, shortfall };
  });
}
