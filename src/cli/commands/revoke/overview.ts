import { personOf } from "../../grants/record.js";
import { type Io, line } from "../../io.js";
import type { LoggedGrant } from "../../log/entry.js";
import { counted, grouped, printable } from "../../terminal.js";

const mostExamples = 10;
const mostNames = 10;

/** Collects what a run is about to change, as ZITADEL shows it, for display before the question. */
export class Overview {
  readonly #selectedRoles: ReadonlySet<string>;
  readonly #users = new Set<string>();
  readonly #projects = new Map<string, { readonly name: string; count: number }>();
  readonly #roles = new Map<string, number>();
  readonly #first: LoggedGrant[] = [];
  readonly #missing = new Map<string, number>();
  #known = 0;
  #unread = 0;
  #inactive = 0;
  #withOtherRoles = 0;

  /** @param roles by which the grants are selected. */
  constructor(roles: readonly string[] = []) {
    this.#selectedRoles = new Set(roles);
  }

  /** A grant as it was read, or without anything but ids. */
  add(grant: LoggedGrant): void {
    const { recorded, projectName, userId } = grant;
    if (recorded === undefined || userId === undefined) {
      this.#unread += 1;
      return;
    }
    const { projectId, roleKeys, state } = recorded;
    this.#known += 1;
    this.#users.add(userId);
    this.#inactive += state === "inactive" ? 1 : 0;
    this.#withOtherRoles += roleKeys.some((role) => !this.#selectedRoles.has(role)) ? 1 : 0;
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

  /** A grant that is not shown in this organization: "not found", or which one has it. */
  addMissing(shows: string): void {
    this.#missing.set(shows, (this.#missing.get(shows) ?? 0) + 1);
  }

  /** The number of grants that are not shown in this organization. */
  get missing(): number {
    return [...this.#missing.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The number of grants that were not read. */
  get unread(): number {
    return this.#unread;
  }

  /** "1,234 to remove, of 812 users; 12 of them inactive" */
  count(command: string): string {
    const total = this.#known + this.#unread + this.missing;
    return [
      `${grouped(total)} to ${command}`,
      this.#known > 0 ? `, of ${counted(this.#users.size, "user")}` : "",
      this.#inactive > 0 ? `; ${grouped(this.#inactive)} of them inactive` : "",
      ...[...this.#missing].map(([shows, count]) => `; ${grouped(count)} ${shows}`),
    ].join("");
  }

  /** Projects, roles and the first grants, as far as known. */
  show(command: string, io: Io): void {
    if (this.#known > 0) {
      line(io.stderr);
      showCounts(
        "By project",
        [...this.#projects.values()].map(({ name, count }) => [name, count]),
        io,
      );
      showCounts("By role", [...this.#roles], io);
      line(io.stderr, this.#known > mostExamples ? `The first ${mostExamples}` : "Grants");
      for (const grant of this.#first) {
        line(io.stderr, `  ${describe(grant)}`);
      }
      if (this.#known > mostExamples) {
        line(io.stderr, `  and ${grouped(this.#known - mostExamples)} more`);
      }
    }
    if (this.#selectedRoles.size > 0 && this.#withOtherRoles > 0) {
      const verb = command === "remove" ? "removed" : "deactivated";
      line(
        io.stderr,
        `${grouped(this.#withOtherRoles)} of them ${this.#withOtherRoles === 1 ? "has" : "have"} other roles, too, which are ${verb} as well.`,
      );
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
