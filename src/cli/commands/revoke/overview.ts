import { personOf } from "../../grants/record.js";
import { type Io, line } from "../../io.js";
import type { LoggedGrant } from "../../log/entry.js";
import { counted, firstOf, grouped, printable } from "../../terminal.js";

const mostExamples = 10;

/** Collects what a run is about to change, as ZITADEL shows it, for display before the question. */
export class Overview {
  /** How many grants were read. */
  known = 0;
  /** How many were not. */
  unread = 0;
  /** How many are not shown in this organization. */
  missing = 0;
  readonly #selectedRoles: ReadonlySet<string>;
  readonly #users = new Set<string>();
  readonly #projects = new Map<string, number>();
  readonly #roles = new Map<string, number>();
  readonly #examples: string[] = [];
  readonly #missing = new Map<string, number>();
  #inactive = 0;
  #withOtherRoles = 0;

  /** @param roles by which the grants are selected. */
  constructor(roles: readonly string[] = []) {
    this.#selectedRoles = new Set(roles);
  }

  /** A grant as it was read, or without anything but ids. */
  add(grant: LoggedGrant): void {
    const { grantId, recorded, projectName, userId } = grant;
    if (recorded === undefined || userId === undefined) {
      this.unread += 1;
      return;
    }
    const { projectId, roleKeys, state } = recorded;
    this.known += 1;
    this.#users.add(userId);
    this.#inactive += state === "inactive" ? 1 : 0;
    this.#withOtherRoles += roleKeys.some((role) => !this.#selectedRoles.has(role)) ? 1 : 0;
    increment(this.#projects, projectName ? `${projectName} (${projectId})` : projectId);
    for (const role of roleKeys) {
      increment(this.#roles, role);
    }
    if (this.#examples.length < mostExamples) {
      const what = `${projectName ?? projectId}: ${roleKeys.join(", ") || "no roles"}`;
      const inactive = state === "inactive" ? " (inactive)" : "";
      this.#examples.push(printable(`  ${grantId}  ${personOf(grant)}  ${what}${inactive}`));
    }
  }

  /** A grant that is not shown in this organization: "not found", or which one has it. */
  addMissing(shows: string): void {
    this.missing += 1;
    increment(this.#missing, shows);
  }

  /** "1,234 to remove, of 812 users; 12 of them inactive" */
  count(what: string): string {
    const total = this.known + this.unread + this.missing;
    return [
      `${grouped(total)} to ${what}`,
      this.known > 0 ? `, of ${counted(this.#users.size, "user")}` : "",
      this.#inactive > 0 ? `; ${grouped(this.#inactive)} of them inactive` : "",
      ...[...this.#missing].map(([shows, count]) => `; ${grouped(count)} ${shows}`),
    ].join("");
  }

  /** Projects, roles and the first grants, as far as known. */
  show(command: string, io: Io): void {
    const lines: string[] = [];
    if (this.known > 0) {
      const more = this.known - this.#examples.length;
      lines.push(
        ...["", "By project", ...mostFrequent(this.#projects)],
        ...["By role", ...mostFrequent(this.#roles)],
        more > 0 ? `The first ${mostExamples}` : "Grants",
        ...this.#examples,
        ...(more > 0 ? [`  and ${grouped(more)} more`] : []),
      );
    }
    if (this.#selectedRoles.size > 0 && this.#withOtherRoles > 0) {
      const have = this.#withOtherRoles === 1 ? "has" : "have";
      lines.push(
        `${grouped(this.#withOtherRoles)} of them ${have} other roles, too, which are ${command}d as well.`,
      );
    }
    for (const text of [...lines, ""]) {
      line(io.stderr, text);
    }
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function mostFrequent(counts: ReadonlyMap<string, number>): readonly string[] {
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return firstOf(
    sorted.map(([name, count]) => `${grouped(count).padStart(9)}  ${printable(name)}`),
  ).map((text) => `  ${text}`);
}
