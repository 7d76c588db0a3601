/**
 * A set of ids that takes 16 bytes for each id of up to 18 digits, as ZITADEL's are: a million of them
 * must not fill the memory. Other ids are kept as strings.
 */
export class IdSet {
  #slots = new BigUint64Array(1024);
  #numbers = 0;
  readonly #others = new Set<string>();

  get size(): number {
    return this.#numbers + this.#others.size;
  }

  /** Whether it was not in there before. */
  add(id: string): boolean {
    if (!/^[1-9]\d{0,17}$/.test(id)) {
      const { size } = this.#others;
      return this.#others.add(id).size > size;
    }
    const value = BigInt(id);
    if (!this.#insert(value)) {
      return false;
    }
    this.#numbers += 1;
    if (this.#numbers * 2 > this.#slots.length) {
      this.#grow();
    }
    return true;
  }

  has(id: string): boolean {
    if (!/^[1-9]\d{0,17}$/.test(id)) {
      return this.#others.has(id);
    }
    const value = BigInt(id);
    return this.#slots[this.#slotOf(value)] === value;
  }

  #insert(value: bigint): boolean {
    const slot = this.#slotOf(value);
    if (this.#slots[slot] === value) {
      return false;
    }
    this.#slots[slot] = value;
    return true;
  }

  /** Where it is, or would go: the next free slot after the one of its hash. */
  #slotOf(value: bigint): number {
    const mask = this.#slots.length - 1;
    // Ids are times and counters: mix the high bits with the low ones.
    let slot = Number(BigInt.asUintN(32, (value * 0x9e3779b97f4a7c15n) >> 29n)) & mask;
    while (this.#slots[slot] !== 0n && this.#slots[slot] !== value) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new BigUint64Array(before.length * 2);
    for (const value of before) {
      if (value !== 0n) {
        this.#insert(value);
      }
    }
  }
}
