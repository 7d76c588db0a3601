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
  /** Commands that are under way, and how many have begun so far. */
  #running = 0;
  #begun = 0;
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

  some(matches: (grant: Grant) => boolean): boolean {
    this.#settle();
    return [...this.#grants.values()].some(matches);
  }

  /** @param overlaps whether other changes are under way at the same time. */
  add(init: Omit<Grant, "sequence" | "createdAtMs" | "changedAtMs">, overlaps: boolean): Grant {
    const atMs = this.#timeMs();
    // Adding is the first change, and an inactive grant has a second one.
    const sequence = init.state === "active" ? 1n : 2n;
    const grant: Grant = { ...init, sequence, createdAtMs: atMs, changedAtMs: atMs };
    this.#grants.set(grant.grantId, grant);
    this.projection.record({ atMs, grantId: grant.grantId, apply: () => grant }, overlaps);
    return grant;
  }

  /** Changes a grant as it was looked up: one that has been removed since stays so. */
  setState(seen: Grant, state: Grant["state"], overlaps: boolean): Grant {
    const { grantId } = seen;
    const current = this.#grants.get(grantId);
    const atMs = this.#timeMs();
    const change = { state, sequence: (current ?? seen).sequence + 1n, changedAtMs: atMs };
    const changed: Grant = { ...(current ?? seen), ...change };
    if (current !== undefined) {
      this.#grants.set(grantId, changed);
    }
    const apply = (row: Grant | undefined) => row && { ...row, ...change };
    this.projection.record({ atMs, grantId, apply }, overlaps);
    return changed;
  }

  remove({ grantId }: Grant, overlaps: boolean): void {
    this.#grants.delete(grantId);
    const atMs = this.#timeMs();
    this.projection.record({ atMs, grantId, apply: () => undefined }, overlaps);
  }

  /** A command is under way, until its `end` is called. */
  begin() {
    const others = this.#running;
    this.#running += 1;
    this.#begun += 1;
    const begun = this.#begun;
    return {
      /** Whether another command has been under way meanwhile. */
      overlaps: () => others > 0 || this.#begun > begun,
      end: () => {
        this.#running -= 1;
      },
    };
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
    this.#waiting.push({ atMs, push });
    this.#waiting.sort((a, b) => a.atMs - b.atMs);
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

interface Event {
  readonly atMs: number;
  readonly grantId: string;
  /** What the event makes of the grant's row: one that is not there is not changed. */
  readonly apply: (row: Grant | undefined) => Grant | undefined;
}

/**
 * The read model of grants. It may lag behind the write side, and miss events for good: later events of a
 * grant then change the row as it is. It catches up whenever it is read, so that no timer is needed.
 */
export class GrantProjection {
  readonly #options: ProjectionOptions;
  readonly #settle: () => void;
  readonly #random: () => number;
  /** In the order in which the grants were added. */
  readonly #rows = new Map<string, Grant>();
  #pending: Event[] = [];
  #skips = 0;
  #updatedAtMs: number;
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

  record(event: Event, overlaps: boolean): void {
    if (this.#skips > 0) {
      this.#skips -= 1;
    } else if (overlaps && this.#random() < this.#options.skipRate) {
      // Missed for good.
    } else if (this.#options.delayMs === 0) {
      this.#apply(event);
    } else {
      this.#pending.push(event);
    }
  }

  /** The row of a grant. Unlike a search, this waits until the projection has caught up. */
  get(grantId: string): Grant | undefined {
    this.#catchUp(Number.POSITIVE_INFINITY);
    return this.#rows.get(grantId);
  }

  /**
   * All matching rows, in the order in which they were added or another one. The list is kept until something
   * changes: sorting a million rows for each page of a thousand would take a second each.
   *
   * @param search identifies the list.
   */
  search(
    search: unknown,
    matches: (grant: Grant) => boolean,
    sort = (rows: readonly Grant[]) => rows,
  ): readonly Grant[] {
    this.#catchUp(this.#options.now() - this.#options.delayMs);
    const key = JSON.stringify(search);
    if (this.#lastSearch?.key !== key) {
      this.#lastSearch = { key, found: sort([...this.#rows.values()].filter(matches)) };
    }
    return this.#lastSearch.found;
  }

  /** Discards the last search: data that it was joined with has changed. */
  invalidate(): void {
    this.#lastSearch = undefined;
  }

  /** Applies the events up to this time. */
  #catchUp(atMs: number): void {
    this.#settle();
    const later = this.#pending.findIndex((event) => event.atMs > atMs);
    for (const event of this.#pending.splice(0, later < 0 ? this.#pending.length : later)) {
      this.#apply(event);
    }
  }

  #apply({ atMs, grantId, apply }: Event): void {
    const row = apply(this.#rows.get(grantId));
    if (row === undefined) {
      this.#rows.delete(grantId);
    } else {
      this.#rows.set(grantId, row);
    }
    this.#updatedAtMs = atMs + this.#options.delayMs;
    this.invalidate();
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
