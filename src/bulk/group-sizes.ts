/**
 * How many grants to put into one request when some of them make a request fail as a whole: nested group
 * testing. A group that passes is done. Of a group that fails, a part is tried: if the part passes, the rest is
 * known to contain a failing grant; if the part fails, nothing is known about the rest any more. It finishes with
 * a single grant, which is requested alone even if it is the only one that can be the cause.
 *
 * A request says most when it passes half of the time, so sizes follow the share of failing grants. That share is
 * learned as grants are decided; older ones fade, since lists are often not mixed evenly (the first half is gone
 * already, the rest is not).
 */
export class GroupSizes {
  readonly #most: number;
  /** Grants that were decided, and how many of them made a request fail. */
  #grants = firstWeight;
  #failing: number;

  /**
   * @param most grants in one request: the list is taken to be clean enough for these to pass, until it shows
   * otherwise.
   */
  constructor(most: number) {
    this.#most = most;
    this.#failing = (Math.LN2 * firstWeight) / Math.max(100, most);
  }

  /** Counts decided grants, and how many of them make a request fail. */
  add(grants: number, failing: number): void {
    const fading = Math.min(1, memory / (this.#grants + grants));
    this.#grants = (this.#grants + grants) * fading;
    this.#failing = (this.#failing + failing) * fading;
  }

  /** The size of a group when nothing is known about the grants. */
  get first(): number {
    const share = this.#failing / this.#grants;
    return share > oneByOne ? 1 : Math.max(1, Math.min(this.#most, sizeFor(share, 0.5)));
  }

  /** The size of a part of a group in which at least one grant makes a request fail. */
  part(suspects: number): number {
    const share = Math.min(highestShare, this.#failing / this.#grants);
    const chance = (1 + (1 - share) ** suspects) / 2;
    return Math.max(1, Math.min(suspects - 1, sizeFor(share, chance)));
  }
}

/** How many grants pass together with this chance. */
function sizeFor(share: number, chance: number): number {
  return Math.round(Math.log(chance) / Math.log1p(-share));
}

/** This many grants outweigh older ones. */
const memory = 100;
/** What is assumed at first weighs as much as this many grants. */
const firstWeight = 10;
/** From this share on, single grants cost fewer requests than groups. */
const oneByOne = 0.28;
const highestShare = 0.9;
