/** A request of fewer grants than this costs the server more than a free slot is worth. */
const fewest = 25;

/**
 * Sizes of the last requests of a run: if everything left fits into two waves, each using every slot, it is
 * spread evenly over their slots, so that the last wave does not run half empty. A list that fits into one
 * request is sent as one.
 */
export class Waves {
  readonly #slots: number;
  #started = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** How many of the remaining grants to put into the next request, which could hold `most`. */
  size(most: number, left: number): number {
    if (left <= 0 || (this.#started === 0 && left <= most)) {
      return most;
    }
    const inThisWave = this.#started % this.#slots;
    const waves = Math.ceil((left + inThisWave * most) / (this.#slots * most));
    return waves > 2
      ? most
      : Math.min(most, Math.max(fewest, Math.ceil(left / (waves * this.#slots - inThisWave))));
  }

  started(): void {
    this.#started += 1;
  }
}
