/** The middle value, and the lowest and highest. */
export function summarize(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1
      ? sorted[Math.floor(middle)]
      : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, low: sorted[0], high: sorted.at(-1) };
}

/** The middle value, and the middle half of them as lowest and highest: for many values, of which some are off. */
export function middleHalf(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.round((sorted.length - 1) * share)];
  return { median: median(values), low: at(0.25), high: at(0.75) };
}

/** The median of so many values, and nothing else. */
export function median(values) {
  return summarize(values).median;
}

/** Ratios that lie further apart than this, highest by lowest, decide nothing. */
const widest = 1.15;

/** Whether the machine was too busy with other work for this ratio to say anything. */
export function isTooNoisy({ low, high }) {
  return high / low > widest;
}
