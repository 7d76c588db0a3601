/** Older grants fade: this many newer ones outweigh them. */
const longMemory = 2000;
/** The last few grants, which show whether the list has changed. */
const shortMemory = 40;
/** How many times likelier the last grants must be under the share of the short memory: e^6. */
const change = 6;

/**
 * The share of grants that make a request fail, learned as they are decided. Lists are often not mixed
 * evenly (the first half is gone already, the rest is not), so when what came last fits the long memory
 * badly, that is replaced by the short one.
 */
export class Share {
  readonly #long: Memory;
  readonly #short: Memory = { grants: 0, blocked: 0 };

  /**
   * @param most grants in one request: the list is taken to be clean enough for these to pass, until it shows
   * otherwise.
   */
  constructor(most: number) {
    this.#long = { grants: 2 * Math.max(100, most), blocked: 0.5 };
  }

  get value(): number {
    return this.#long.blocked / this.#long.grants;
  }

  /** Counts decided grants, and how many of them make a request fail. */
  add(grants: number, blocked: number): void {
    const long = remember(this.#long, grants, blocked, longMemory);
    const short = remember(this.#short, grants, blocked, shortMemory);
    const now = (short.blocked + 0.3) / (short.grants + 1);
    const before = long.blocked / long.grants;
    const evidence =
      short.blocked * Math.log(now / before) +
      (short.grants - short.blocked) * Math.log((1 - now) / (1 - before));
    if (evidence > change) {
      long.grants = short.grants + 1;
      long.blocked = short.blocked + 0.3;
    }
  }
}

interface Memory {
  grants: number;
  blocked: number;
}

function remember(memory: Memory, grants: number, blocked: number, most: number): Memory {
  memory.grants += grants;
  memory.blocked += blocked;
  if (memory.grants > most) {
    memory.blocked *= most / memory.grants;
    memory.grants = most;
  }
  return memory;
}
