import { type Io, line } from "./io.js";
import { personOf } from "./list-output.js";
import type { LoggedGrant } from "./log/entry.js";
import { counted, grouped, printable } from "./printable.js";

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
