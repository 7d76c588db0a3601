/**
 * How many grants to put into one request when a known share of them makes a request fail as a whole: the
 * optimal nested group test. A group that passes is done. Of a group that fails, a part is tried: if the part
 * passes, the rest is known to contain a failing grant; if the part fails, nothing is known about the rest
 * any more. It finishes with a single grant, which is requested alone even if it is the only one that can be
 * the cause.
 *
 * A dynamic program finds the sizes with the lowest cost. A request costs 1, and each grant that the server
 * looks up costs `lookupCost`: it looks grants up one after the other until the first unknown one.
 */
export interface GroupSizes {
  /** Group size when nothing is known about the grants. */
  readonly first: number;
  /** Group size out of a group in which at least one grant makes a request fail. */
  readonly part: (suspects: number) => number;
}

/**
 * Less than the cost of a lookup at a server relative to a request (a twelfth): the true value would save
 * some server time for a list of which 1 % is gone, at the price of more requests.
 */
const lookupCost = 0.03;

/** Sizes are computed for shares this far apart. */
const step = 1.1;
const highestShare = 0.9;
/** The largest group for which sizes are computed. Larger groups are halved. */
const largest = 128;

/** @param most grants in one request. */
export function createGroupSizes(most: number): (share: number) => GroupSizes {
  const known = new Map<number, GroupSizes>();
  const bounded = Math.min(most, largest);
  const lowestShare = 0.45 / bounded;
  const sizesAt = (share: number) => {
    const key = Math.round(Math.log(share) / Math.log(step));
    const sizes = known.get(key) ?? findGroupSizes(Math.min(highestShare, step ** key), bounded);
    known.set(key, sizes);
    return sizes;
  };
  return (share) => ({
    // If few grants are gone, the best group passes half of the time.
    first:
      share < lowestShare
        ? Math.min(most, Math.max(bounded, Math.floor(Math.LN2 / share)))
        : sizesAt(share).first,
    part: (suspects) =>
      suspects > bounded
        ? Math.ceil(suspects / 2)
        : sizesAt(Math.max(share, lowestShare)).part(suspects),
  });
}

/** Expected values of a group: the cost of its requests, and how many grants they decide. */
interface Expected {
  readonly cost: number;
  readonly decided: number;
}

const nothing: Expected = { cost: 0, decided: 0 };
const oneDecided: Expected = { cost: 0, decided: 1 };

function findGroupSizes(share: number, most: number): GroupSizes {
  /** The probability that none of this many grants fails. */
  const clean = Array.from({ length: most + 1 }, (_, count) => (1 - share) ** count);
  const lookups = expectedLookups(share, most, clean);
  // Lowest cost per decided grant: guess it, find the best sizes for that guess, and use their cost as the
  // next guess.
  let perGrant = 0.5;
  for (;;) {
    const parts: number[] = [0, 1];
    const suspects: Expected[] = [nothing, { cost: 1 + lookupCost, decided: 1 }];
    const value = ({ cost, decided }: Expected) => cost - perGrant * decided;
    /** One request for this many grants, which passes with that probability; afterwards the rest is left. */
    const after = (asked: number, passing: number, rest: Expected): Expected => {
      const failed = asked === 1 ? oneDecided : (suspects[asked] ?? nothing);
      const looked = passing * asked + (1 - passing) * (lookups[asked] ?? 0);
      return {
        cost: 1 + lookupCost * looked + passing * rest.cost + (1 - passing) * failed.cost,
        decided: passing * (asked + rest.decided) + (1 - passing) * failed.decided,
      };
    };
    const best = (candidates: number, of: (asked: number) => Expected) => {
      let [size, expected] = [1, of(1)];
      for (let asked = 2; asked <= candidates; asked++) {
        const other = of(asked);
        if (value(other) < value(expected)) {
          [size, expected] = [asked, other];
        }
      }
      return { size, expected };
    };
    for (let count = 2; count <= most; count++) {
      const all = clean[count] ?? 0;
      const { size, expected } = best(count - 1, (asked) =>
        after(asked, ((clean[asked] ?? 0) - all) / (1 - all), suspects[count - asked] ?? nothing),
      );
      parts.push(size);
      suspects.push(expected);
    }
    const { size, expected } = best(most, (asked) => after(asked, clean[asked] ?? 0, nothing));
    const improved = expected.cost / expected.decided;
    if (Math.abs(improved - perGrant) < 1e-9) {
      return { first: size, part: (count) => parts[count] ?? 1 };
    }
    perGrant = improved;
  }
}

/** How many of this many grants the server looks up until the first that makes the request fail. */
function expectedLookups(share: number, most: number, clean: readonly number[]): number[] {
  const lookups = [0];
  let sum = 0;
  for (let count = 1; count <= most; count++) {
    sum += count * (clean[count - 1] ?? 0) * share;
    lookups.push(sum / (1 - (clean[count] ?? 0)));
  }
  return lookups;
}

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
