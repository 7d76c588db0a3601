/**
 * How many grants to ask for at once when some share of them makes a request fail as a whole: the best
 * nested group test. A group that passes is done. Of one that fails, a part is asked for: when it
 * passes, the rest is known to hold the culprit; when it fails, the part is, and nothing is known of the
 * rest any more. It ends with a grant alone, and that is asked for alone, also when it is the only one
 * that it can be.
 *
 * A dynamic program finds the sizes for which the cost is least. A request costs 1, and each grant that
 * the server looks up `lookupCost`: up to the first unknown one, it looks them up one after the other.
 */
export interface GroupSizes {
  /** Grants to ask for when nothing is known of them. */
  readonly first: number;
  /** Grants to ask for of so many, one of which at least makes a request fail. */
  readonly part: (suspects: number) => number;
}

/**
 * Less than what a lookup takes at a server, as compared with a request (a twelfth): that would take
 * less of the server's time for a list of which 1 % is gone, and more requests.
 */
const lookupCost = 0.03;

/** Sizes are worked out for shares this far apart. */
const step = 1.1;
const highestShare = 0.9;
/** The largest group for which they are worked out. Of larger ones, half is asked for. */
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
    // Where few are gone, a group is best that passes half of the time.
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

/** What is expected of a group: what its requests cost, and how many grants are decided then. */
interface Expected {
  readonly cost: number;
  readonly decided: number;
}

const nothing: Expected = { cost: 0, decided: 0 };
const oneDecided: Expected = { cost: 0, decided: 1 };

export function findGroupSizes(share: number, most: number): GroupSizes {
  /** That so many grants are all without fault. */
  const clean = Array.from({ length: most + 1 }, (_, count) => (1 - share) ** count);
  const lookups = expectedLookups(share, most, clean);
  // Least cost for each decided grant: guess it, find the best sizes for it, and take what they cost.
  let perGrant = 0.5;
  for (;;) {
    const parts: number[] = [0, 1];
    const suspects: Expected[] = [nothing, { cost: 1 + lookupCost, decided: 1 }];
    const value = ({ cost, decided }: Expected) => cost - perGrant * decided;
    /** One request for so many grants, which pass with that probability and leave the rest then. */
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

/** How many of so many grants the server looks up until the first that makes the request fail. */
function expectedLookups(share: number, most: number, clean: readonly number[]): number[] {
  const lookups = [0];
  let sum = 0;
  for (let count = 1; count <= most; count++) {
    sum += count * (clean[count - 1] ?? 0) * share;
    lookups.push(sum / (1 - (clean[count] ?? 0)));
  }
  return lookups;
}
