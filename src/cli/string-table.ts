const chunkBytes = 1 << 20;

/**
 * Numbers different strings in the order in which they come. A million ids take about thirty megabytes,
 * where a `Map` takes a hundred.
 */
export class StringTable {
  readonly #chunks: Buffer[] = [];
  #chunkUsed = chunkBytes;
  /** Where each string begins: the chunk's number times its size, plus the place in it. */
  #starts = new Float64Array(1024);
  #lengths = new Uint16Array(1024);
  /** Open addressing: the number of a string plus one, at a place that its hash says. */
  #slots = new Uint32Array(2048);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The string's number, new or not. @throws RangeError beyond 65,535 bytes. */
  add(text: string): number {
    const bytes = Buffer.from(text);
    if (bytes.length > 0xffff) {
      throw new RangeError(`an id of ${bytes.length} bytes is too long`);
    }
    const slot = this.#find(bytes);
    const found = this.#slots[slot] ?? 0;
    if (found > 0) {
      return found - 1;
    }
    const index = this.#size;
    this.#size += 1;
    this.#slots[slot] = index + 1;
    this.#store(index, bytes);
    if (this.#size * 2 > this.#slots.length) {
      this.#rehash();
    }
    return index;
  }

  /** The string's number; -1 when it was not added. */
  indexOf(text: string): number {
    return (this.#slots[this.#find(Buffer.from(text))] ?? 0) - 1;
  }

  /** @throws RangeError for a number that was not given. */
  at(index: number): string {
    return this.#bytesAt(index).toString("utf8");
  }

  #bytesAt(index: number): Buffer {
    const start = this.#starts[index];
    const chunk = this.#chunks[Math.floor((start ?? 0) / chunkBytes)];
    if (index >= this.#size || start === undefined || chunk === undefined) {
      throw new RangeError(`no string has the number ${index}`);
    }
    const from = start % chunkBytes;
    return chunk.subarray(from, from + (this.#lengths[index] ?? 0));
  }

  #find(bytes: Buffer): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(bytes) & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot] ?? 0;
      if (found === 0 || this.#bytesAt(found - 1).equals(bytes)) {
        return slot;
      }
    }
  }

  #store(index: number, bytes: Buffer): void {
    if (this.#chunkUsed + bytes.length > chunkBytes) {
      this.#chunks.push(Buffer.alloc(chunkBytes));
      this.#chunkUsed = 0;
    }
    if (index >= this.#starts.length) {
      this.#starts = grown(this.#starts, new Float64Array(index * 2));
      this.#lengths = grown(this.#lengths, new Uint16Array(index * 2));
    }
    this.#chunks.at(-1)?.set(bytes, this.#chunkUsed);
    this.#starts[index] = (this.#chunks.length - 1) * chunkBytes + this.#chunkUsed;
    this.#lengths[index] = bytes.length;
    this.#chunkUsed += bytes.length;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index++) {
      this.#slots[this.#find(this.#bytesAt(index))] = index + 1;
    }
  }
}

/** FNV-1a. */
function hash(bytes: Buffer): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  return value >>> 0;
}

function grown<T extends Float64Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
