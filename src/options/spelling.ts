/**
 * The candidate that is probably meant: it has most letters in common with `name`, in the same order, or
 * `name` is a part of it ("timeout" for "defaultTimeoutMs"), or contains all of it ("organizationId" for
 * "orgId"). The first of equally likely ones.
 */
export function similarName(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestLikeness = 0.65;
  for (const candidate of candidates) {
    const [a, b] = [name.toLowerCase(), candidate.toLowerCase()];
    const shared = commonLetters(a, b);
    const isPart =
      shared === Math.min(a.length, b.length) && (shared > 4 || (shared > 2 && b.includes(a)));
    const likeness = Math.max((2 * shared) / (a.length + b.length), isPart ? 0.85 : 0);
    if (likeness > bestLikeness) {
      best = candidate;
      bestLikeness = likeness;
    }
  }
  return best;
}

/** The length of the longest common subsequence. */
function commonLetters(a: string, b: string): number {
  let row: number[] = [];
  for (const letter of a) {
    const before = row;
    row = [];
    for (let j = 0; j < b.length; j++) {
      row[j] =
        letter === b[j] ? (before[j - 1] ?? 0) + 1 : Math.max(before[j] ?? 0, row[j - 1] ?? 0);
    }
  }
  return row.at(-1) ?? 0;
}
