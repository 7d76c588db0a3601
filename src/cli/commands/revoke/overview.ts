import { Code, ConnectError } from "@connectrpc/connect";
import { close } from "../../../client/close.js";
import { type Identity, probePermission } from "../../account.js";
import type { Connection } from "../../connect.js";
import { explain } from "../../explain.js";
import { createLookup } from "../../grants/lookup.js";
import { personOf } from "../../grants/record.js";
import type { GrantTable } from "../../grants/table.js";
import { exitCode, type Io, line } from "../../io.js";
import type { LoggedCommand, LoggedGrant } from "../../log/entry.js";
import { lookupTurns, type Rate } from "../../pace.js";
import { counted, grouped, printable } from "../../terminal.js";

const mostExamples = 10;
const mostNames = 10;

/** Collects what a run is about to change, to show it before asking for confirmation. */
export class Overview {
  readonly #projects = new Map<string, { readonly name: string; count: number }>();
  readonly #roles = new Map<string, number>();
  readonly #first: LoggedGrant[] = [];
  #known = 0;
  #total = 0;
  #inactive = 0;

  add(grant: LoggedGrant): void {
    this.#total += 1;
    const { recorded, projectName, userId } = grant;
    if (recorded === undefined || userId === undefined) {
      return;
    }
    const { projectId, roleKeys, state } = recorded;
    this.#known += 1;
    this.#inactive += state === "inactive" ? 1 : 0;
    const project = this.#projects.get(projectId);
    if (project === undefined) {
      const name = projectName === undefined ? projectId : `${projectName} (${projectId})`;
      this.#projects.set(projectId, { name, count: 1 });
    } else {
      project.count += 1;
    }
    for (const role of roleKeys) {
      this.#roles.set(role, (this.#roles.get(role) ?? 0) + 1);
    }
    if (this.#first.length < mostExamples) {
      this.#first.push(grant);
    }
  }

  /** The number of grants whose roles and state are unknown. */
  get unrecorded(): number {
    return this.#total - this.#known;
  }

  /** "1,234 to remove, of 812 users; 12 of them are inactive" */
  count(command: string, userCount: number): string {
    const users = this.#known === this.#total && this.#total > 0;
    return [
      `${grouped(this.#total)} to ${command}`,
      users ? `, of ${counted(userCount, "user")}` : "",
      users && this.#inactive > 0 ? `; ${grouped(this.#inactive)} of them inactive` : "",
    ].join("");
  }

  /** Projects, roles and the first grants, as far as known. */
  show(io: Io): void {
    if (this.#known === 0 || this.#known < this.#total) {
      return;
    }
    line(io.stderr);
    showCounts(
      "By project",
      [...this.#projects.values()].map(({ name, count }) => [name, count]),
      io,
    );
    showCounts("By role", [...this.#roles], io);
    line(io.stderr, this.#total > mostExamples ? `The first ${mostExamples}` : "Grants");
    for (const grant of this.#first) {
      line(io.stderr, `  ${describe(grant)}`);
    }
    if (this.#total > mostExamples) {
      line(io.stderr, `  and ${grouped(this.#total - mostExamples)} more`);
    }
    line(io.stderr);
  }
}

function showCounts(title: string, counts: readonly (readonly [string, number])[], io: Io): void {
  if (counts.length === 0) {
    return;
  }
  const sorted = counts.toSorted(([, a], [, b]) => b - a);
  line(io.stderr, title);
  for (const [name, count] of sorted.slice(0, mostNames)) {
    line(io.stderr, `  ${grouped(count).padStart(9)}  ${printable(name)}`);
  }
  if (sorted.length > mostNames) {
    line(io.stderr, `  and ${grouped(sorted.length - mostNames)} more`);
  }
}

/** One grant, for display: who has which roles where. */
function describe(grant: LoggedGrant): string {
  const { projectName, recorded, grantId } = grant;
  const what = `${projectName ?? recorded?.projectId}: ${recorded?.roleKeys.join(", ") || "no roles"}`;
  const inactive = recorded?.state === "inactive" ? " (inactive)" : "";
  return printable(`${grantId}  ${personOf(grant)}  ${what}${inactive}`);
}

/** Concurrent lookups. */
const concurrency = 4;

/** Whether the command could be carried out, as far as can be checked without changing anything. */
export async function checkPermission(
  command: LoggedCommand,
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
