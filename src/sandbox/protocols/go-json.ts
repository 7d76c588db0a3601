/** A token of a JSON text, for Go's error messages, which quote it and name its place. */
export interface JsonToken {
  /** The text from its first value on. */
  readonly source: string;
  readonly at: number;
  /** As it is written; of objects and arrays the bracket. */
  readonly raw: string;
}

export type JsonNode = JsonToken &
  (
    | { readonly kind: "object"; readonly members: readonly JsonMember[] }
    | { readonly kind: "array"; readonly items: readonly JsonNode[] }
    | { readonly kind: "scalar"; readonly value: string | number | boolean | null }
  );

export interface JsonMember {
  readonly name: string;
  readonly key: JsonToken;
  readonly node: JsonNode;
}

/**
 * Reads the first JSON value of a text, as Go's `json.Decoder` does: the text after it is ignored, and a text
 * without a value is not an error.
 *
 * @returns undefined for a text of white space.
 * @throws Error with Go's message for invalid JSON.
 */
export function parseGoJson(text: string): JsonNode | undefined {
  const source = text.replace(/^[ \t\r\n]+/, "");
  try {
    return source === "" ? undefined : new Parser(source).value();
  } catch (error) {
    // Go's limit is 10,000.
    throw error instanceof RangeError ? new Error("exceeded max depth") : error;
  }
}

const whiteSpace = /[ \t\r\n]*/y;
const digits = /\d*/y;
/** Without control characters, quotes and backslashes. */
const plainText = /[ !#-[\]-\uffff]*/y;
const literals = { t: ["true", true], f: ["false", false], n: ["null", null] } as const;

class Parser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  value(): JsonNode {
    const at = this.#at;
    const first = this.#peek();
    switch (first) {
      case "{":
        return { ...this.#token(at, first), kind: "object", members: this.#members() };
      case "[":
        return { ...this.#token(at, first), kind: "array", items: this.#items() };
      case '"':
        this.#string();
        break;
      case "t":
      case "f":
      case "n": {
        const [word, value] = literals[first];
        this.#literal(word);
        return { ...this.#token(at, word), kind: "scalar", value };
      }
      default:
        this.#number();
    }
    const raw = this.#source.slice(at, this.#at);
    return { ...this.#token(at, raw), kind: "scalar", value: JSON.parse(raw) as string | number };
  }

  #members(): JsonMember[] {
    const members: JsonMember[] = [];
    this.#at += 1;
    this.#skip(whiteSpace);
    if (this.#takes("}")) {
      return members;
    }
    for (;;) {
      this.#skip(whiteSpace);
      const at = this.#at;
      this.#expect('"', "looking for beginning of object key string", 0);
      this.#string();
      const key = this.#token(at, this.#source.slice(at, this.#at));
      this.#skip(whiteSpace);
      this.#expect(":", "after object key");
      this.#skip(whiteSpace);
      members.push({ name: JSON.parse(key.raw) as string, key, node: this.value() });
      this.#skip(whiteSpace);
      if (this.#takes("}")) {
        return members;
      }
      this.#expect(",", "after object key:value pair");
    }
  }

  #items(): JsonNode[] {
    const items: JsonNode[] = [];
    this.#at += 1;
    this.#skip(whiteSpace);
    if (this.#takes("]")) {
      return items;
    }
    for (;;) {
      this.#skip(whiteSpace);
      items.push(this.value());
      this.#skip(whiteSpace);
      if (this.#takes("]")) {
        return items;
      }
      this.#expect(",", "after array element");
    }
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      this.#skip(plainText);
      if (this.#takes('"')) {
        return;
      }
      this.#expect("\\", "in string literal");
      if (this.#takes("u")) {
        for (let count = 0; count < 4; count++) {
          this.#expect(/[\da-f]/i, "in \\u hexadecimal character escape");
        }
      } else {
        this.#expect(/["\\/bfnrt]/, "in string escape code");
      }
    }
  }

  #number(): void {
    if (this.#takes("-")) {
      this.#expect(/\d/, "in numeric literal", 0);
    } else {
      this.#expect(/\d/, "looking for beginning of value", 0);
    }
    if (!this.#takes("0")) {
      this.#skip(digits);
    }
    if (this.#takes(".")) {
      this.#expect(/\d/, "after decimal point in numeric literal");
      this.#skip(digits);
    }
    if (this.#takes("e") || this.#takes("E")) {
      this.#takes("+") || this.#takes("-");
      this.#expect(/\d/, "in exponent of numeric literal");
      this.#skip(digits);
    }
  }

  #literal(word: string): void {
    for (const letter of word) {
      this.#expect(letter, `in literal ${word} (expecting '${letter}')`);
    }
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #takes(char: string): boolean {
    const matches = this.#peek() === char;
    this.#at += matches ? 1 : 0;
    return matches;
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    pattern.test(this.#source);
    this.#at = pattern.lastIndex;
  }

  /** @throws Error that names the place where another character stands. */
  #expect(expected: string | RegExp, place: string, taken = 1): void {
    const found = this.#peek();
    if (found === "") {
      throw new Error("unexpected EOF");
    }
    if (typeof expected === "string" ? found !== expected : !expected.test(found)) {
      const codePoint = this.#source.codePointAt(this.#at) ?? 0;
      throw new Error(`invalid character ${quoted(String.fromCodePoint(codePoint))} ${place}`);
    }
    this.#at += taken;
  }

  #token(at: number, raw: string): JsonToken {
    return { source: this.#source, at, raw };
  }
}

/** The first byte of a character, as a character: Go reads bytes. */
function quoted(char: string): string {
  const [byte = 0] = Buffer.from(char);
  const text = String.fromCharCode(byte);
  const escapes: Record<string, string> = { "'": "\\'", '"': '"', "\x07": "\\a", "\v": "\\v" };
  if (byte === 0x7f || (byte < 0x20 && !"\b\t\n\v\f\r\x07".includes(text))) {
    return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  }
  const isPrintable = byte < 0x80 || (byte > 0xa0 && byte !== 0xad);
  return `'${escapes[text] ?? (isPrintable ? JSON.stringify(text).slice(1, -1) : `\\u00${byte.toString(16)}`)}'`;
}
