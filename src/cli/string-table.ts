const chunkBytes = 1 << 20;
const mostChunks = 2 ** 32 / chunkBytes;
/** In a length: the string is all digits, two in a byte. */
const digitsFlag = 0x8000;

/**
 * Numbers distinct strings in order of arrival. A million ids take about twenty-five megabytes, compared with
 * a hundred in a `Map`.
 */
export class StringTable {
  readonly #chunks: Buffer[] = [];
  #chunkUsed = chunkBytes;
  /** Where each string begins: the chunk's number times its size, plus the offset in it. */
  #starts = new Uint32Array(1024);
  /** How many bytes each string takes, and whether these are digits. */
  #lengths = new Uint16Array(1024);
  /** Open addressing: the number of a string plus one, at a slot determined by its hash. */
  #slots = new Uint32Array(2048);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The string's number, new or not. @throws RangeError beyond 32,767 bytes, or 4 GiB in all. */
  add(text: string): number {
    const digits = packedDigits(text);
    const bytes = digits ?? Buffer.from(text);
    if (bytes.length >= digitsFlag) {
      throw new RangeError(`an id of ${bytes.length} bytes is too long`);
    }
    const length = bytes.length | (digits === undefined ? 0 : digitsFlag);
    const slot = this.#find(bytes, length);
    const found = this.#slots[slot] ?? 0;
    if (found > 0) {
      return found - 1;
    }
    const index = this.#size;
    this.#store(index, bytes, length);
    this.#size += 1;
    this.#slots[slot] = index + 1;
    if (this.#size * 2 > this.#slots.length) {
      this.#rehash();
    }
    return index;
  }

  /** The string's number; -1 when it was not added. */
  indexOf(text: string): number {
    const digits = packedDigits(text);
    const bytes = digits ?? Buffer.from(text);
    const length = bytes.length | (digits === undefined ? 0 : digitsFlag);
    return (this.#slots[this.#find(bytes, length)] ?? 0) - 1;
  }

  /** @throws RangeError for a number that was not assigned. */
  at(index: number): string {
    const bytes = this.#bytesAt(index);
    return this.#lengthAt(index) < digitsFlag
      ? bytes.toString("utf8")
      : bytes.toString("hex").replace("f", "");
  }

  #lengthAt(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  #bytesAt(index: number): Buffer {
    const start = this.#starts[index];
    const chunk = this.#chunks[Math.floor((start ?? 0) / chunkBytes)];
    if (index >= this.#size || start === undefined || chunk === undefined) {
      throw new RangeError(`no string has the number ${index}`);
    }
    const from = start % chunkBytes;
    return chunk.subarray(from, from + (this.#lengthAt(index) & ~digitsFlag));
  }

  #find(bytes: Uint8Array, length: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(bytes) & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot] ?? 0;
      if (
        found === 0 ||
        (this.#lengthAt(found - 1) === length && this.#bytesAt(found - 1).equals(bytes))
      ) {
        return slot;
      }
    }
  }

  #store(index: number, bytes: Uint8Array, length: number): void {
    if (this.#chunkUsed + bytes.length > chunkBytes) {
      if (this.#chunks.length === mostChunks) {
        throw new RangeError("the ids take more than 4 GiB");
      }
      this.#chunks.push(Buffer.alloc(chunkBytes));
      this.#chunkUsed = 0;
    }
    if (index >= this.#starts.length) {
      this.#starts = grown(this.#starts, new Uint32Array(index * 2));
      this.#lengths = grown(this.#lengths, new Uint16Array(index * 2));
    }
    this.#chunks.at(-1)?.set(bytes, this.#chunkUsed);
    this.#starts[index] = (this.#chunks.length - 1) * chunkBytes + this.#chunkUsed;
    this.#lengths[index] = length;
    this.#chunkUsed += bytes.length;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index++) {
      this.#slots[this.#find(this.#bytesAt(index), this.#lengthAt(index))] = index + 1;
    }
  }
}

/** ZITADEL's ids are digits. Two take a byte; an odd last one is followed by `f`. Undefined for other texts. */
function packedDigits(text: string): Uint8Array | undefined {
  const packed = new Uint8Array((text.length + 1) >> 1);
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) {
      return undefined;
    }
    packed[at >> 1] = at % 2 === 0 ? (digit << 4) | 0xf : ((packed[at >> 1] ?? 0) & 0xf0) | digit;
  }
  return packed;
}

/** FNV-1a. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5;
  for (const byte of bytes) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  return value >>> 0;
}

function grown<T extends Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
