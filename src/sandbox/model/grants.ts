import type { Grant } from "./entities.js";

/** How the read model follows the write side. */
export interface ProjectionOptions {
  readonly now: () => number;
  /** How long a change takes to show. */
  readonly delayMs: number;
  /** The share of changes overlapping in time that never show. */
  readonly skipRate: number;
  /** Of the pseudo-random numbers that decide which. */
  readonly skipSeed: number;
}

/**
 * All grants: the write side, which commands read and change, and apart from it the projection, which
 * everything else reads.
 */
export class GrantStore {
  /** Whether the projection may miss changes that overlap. */
  readonly skipsOverlaps: boolean;
  readonly projection: GrantProjection;
  readonly #now: () => number;
  readonly #grants = new Map<string, Grant>();
  readonly #running = new Set<RunningCommand>();
  /** Commands that are to be carried out later, in the order of their time. */
  readonly #waiting: { readonly atMs: number; readonly push: () => void }[] = [];
  /** The time of the late command that is being carried out. */
  #lateAtMs: number | undefined;

  constructor(options: ProjectionOptions) {
    this.#now = options.now;
    this.skipsOverlaps = options.skipRate > 0;
    this.projection = new GrantProjection(options, () => this.#settle());
  }

  get(grantId: string): Grant | undefined {
    this.#settle();
    return this.#grants.get(grantId);
  }

  *ofUser(userId: string): Generator<Grant> {
    this.#settle();
    for (const grant of this.#grants.values()) {
      if (grant.userId === userId) {
        yield grant;
      }
    }
  }

  /** @param overlaps whether other changes are under way at the same time. */
  add(init: Omit<Grant, "sequence" | "createdAtMs" | "changedAtMs">, overlaps: boolean): Grant {
    const atMs = this.#timeMs();
    // Adding is the first change, and an inactive grant has a second one.
    const sequence = init.state === "active" ? 1n : 2n;
    const grant: Grant = { ...init, sequence, createdAtMs: atMs, changedAtMs: atMs };
    this.#grants.set(grant.grantId, grant);
    this.projection.record(atMs, overlaps, grant, () => grant);
    return grant;
  }

  /** Changes a grant as it was looked up: one that has been removed since stays so. */
  setState(seen: Grant, state: Grant["state"], overlaps: boolean): Grant {
    const changedAtMs = this.#timeMs();
    const current = this.#grants.get(seen.grantId);
    const sequence = (current ?? seen).sequence + 1n;
    const changed: Grant = { ...(current ?? seen), state, sequence, changedAtMs };
    if (current !== undefined) {
      this.#grants.set(seen.grantId, changed);
    }
    const apply = (row: Grant | undefined) => row && { ...row, state, sequence, changedAtMs };
    this.projection.record(changedAtMs, overlaps, changed, apply);
    return changed;
  }

  remove(seen: Grant, overlaps: boolean): void {
    this.#grants.delete(seen.grantId);
    this.projection.record(this.#timeMs(), overlaps, seen, () => undefined);
  }

  /** A command is under way, until its `end` is called. */
  begin(): Readonly<RunningCommand> {
    const command = {
      overlaps: this.#running.size > 0,
      end: () => {
        this.#running.delete(command);
      },
    };
    for (const other of this.#running) {
      other.overlaps = true;
    }
    this.#running.add(command);
    return command;
  }

  /** Carries a command out when that time has passed. No timer is needed: every access looks first. */
  pushLater(afterMs: number, command: (overlaps: boolean) => unknown): void {
    const atMs = this.#now() + afterMs;
    const push = () => {
      try {
        command(false);
      } catch {
        // No caller waits for its error.
      }
    };
    const later = this.#waiting.findIndex((waiting) => waiting.atMs > atMs);
    this.#waiting.splice(later < 0 ? this.#waiting.length : later, 0, { atMs, push });
  }

  #settle(): void {
    while (this.#lateAtMs === undefined && (this.#waiting[0]?.atMs ?? Infinity) <= this.#now()) {
      const late = this.#waiting.shift();
      this.#lateAtMs = late?.atMs;
      late?.push();
      this.#lateAtMs = undefined;
    }
  }

  #timeMs(): number {
    return this.#lateAtMs ?? this.#now();
  }
}

interface RunningCommand {
  /** Whether another command has been under way meanwhile. */
  overlaps: boolean;
  end(): void;
}

/** What an event makes of a row: rows that are not there are not changed. */
type Apply = (row: Grant | undefined) => Grant | undefined;

interface Event {
  readonly atMs: number;
  readonly grant: Pick<Grant, "orgId" | "grantId">;
  readonly apply: Apply;
}

/**
 * The read model of grants. It may lag behind the write side, and miss events for good: later events of a
 * grant then change the row as it is. It catches up whenever it is read, so that no timer is needed.
 */
export class GrantProjection {
  readonly #options: ProjectionOptions;
  readonly #settle: () => void;
  readonly #random: () => number;
  /** By organization, in the order in which the grants were added. */
  readonly #orgs = new Map<string, Map<string, Grant>>();
  #pending: Event[] = [];
  #skips = 0;
  #updatedAtMs: number;
  /** The last search: its next page is a part of the same list unless something has changed. */
  #lastSearch: { readonly key: string; readonly found: readonly Grant[] } | undefined;

  /** @param settle carries out what is due on the write side. */
  constructor(options: ProjectionOptions, settle: () => void) {
    this.#options = options;
    this.#settle = settle;
    this.#random = pseudoRandom(options.skipSeed);
    this.#updatedAtMs = options.now();
  }

  /** When the projection last changed. */
  get updatedAtMs(): number {
    return this.#updatedAtMs;
  }

  /** Misses the next events. */
  skipNext(events: number): void {
    this.#skips += events;
  }

  record(atMs: number, overlaps: boolean, grant: Event["grant"], apply: Apply): void {
    if (this.#skips > 0) {
      this.#skips -= 1;
      return;
    }
    if (overlaps && this.#random() < this.#options.skipRate) {
      return;
    }
    const event = { atMs, grant, apply };
    if (this.#options.delayMs === 0) {
      this.#apply(event);
    } else {
      this.#pending.push(event);
    }
  }

  /** Applies events that have been pending for long enough, or all of them. */
  catchUp(all = false): void {
    this.#settle();
    const visibleSinceMs = all
      ? Number.POSITIVE_INFINITY
      : this.#options.now() - this.#options.delayMs;
    const later = this.#pending.findIndex(({ atMs }) => atMs > visibleSinceMs);
    for (const event of this.#pending.splice(0, later < 0 ? this.#pending.length : later)) {
      this.#apply(event);
    }
  }

  get(orgId: string, grantId: string): Grant | undefined {
    return this.#orgs.get(orgId)?.get(grantId);
  }

  /**
   * All matching rows of an organization, or of all organizations.
   *
   * @param key identifies the search: those with the same key have the same result.
   * @param compare sorts them; without it, they come in the order in which they were added.
   */
  search(
    orgId: string | undefined,
    key: string,
    matches: (grant: Grant) => boolean,
    compare?: (a: Grant, b: Grant) => number,
  ): readonly Grant[] {
    const keyWithOrg = JSON.stringify([orgId, key]);
    if (this.#lastSearch?.key !== keyWithOrg) {
      const orgs = orgId === undefined ? [...this.#orgs.values()] : [this.#orgs.get(orgId)];
      const found: Grant[] = [];
      for (const org of orgs) {
        for (const grant of org?.values() ?? []) {
          if (matches(grant)) {
            found.push(grant);
          }
        }
      }
      this.#lastSearch = { key: keyWithOrg, found: compare ? found.sort(compare) : found };
    }
    return this.#lastSearch.found;
  }

  /** Discards the last search: data that it was joined with has changed. */
  invalidate(): void {
    this.#lastSearch = undefined;
  }

  #apply({ atMs, grant: { orgId, grantId }, apply }: Event): void {
    let org = this.#orgs.get(orgId);
    if (org === undefined) {
      org = new Map();
      this.#orgs.set(orgId, org);
    }
    const row = apply(org.get(grantId));
    if (row === undefined) {
      org.delete(grantId);
    } else {
      org.set(grantId, row);
    }
    this.#updatedAtMs = atMs + this.#options.delayMs;
    this.#lastSearch = undefined;
  }
}

/** Numbers from 0 to less than 1, the same for the same seed: a linear congruential generator. */
function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
