/** A text, decoded. */
export interface Decoding {
  readonly text: string;
  /** Where each character was in the original, and where that ended; undefined for the original itself. */
  readonly at: Uint32Array | undefined;
}

/** Percent-encoding, the escapes of JSON and of programming languages, and the character references of HTML. */
const escapes =
  /(?:%|\\x)([\da-f]{2})|\\u([\da-f]{4})|&#x([\da-f]{1,5});|&#(\d{1,6});|\\(["'\\/])|&(amp|lt|gt|quot|apos);/gi;
const named: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};
/** JSON in a query in a page. */
const maxDepth = 3;

/**
 * A text as it is, and then with its escapes decoded, as often as there are any: one encoder escapes what
 * another one leaves as it is, and texts are quoted within texts. Bytes of UTF-8 become one character each.
 */
export function decodings(text: string): Decoding[] {
  let last: Decoding = { text, at: undefined };
  const found = [last];
  while (found.length <= maxDepth && last.text.search(escapes) >= 0) {
    last = decode(last);
    found.push(last);
  }
  return found;
}

function decode({ text, at }: Decoding): Decoding {
  const positions = new Uint32Array(text.length + 1);
  let length = 0;
  let end = 0;
  const original = () => at?.[end] ?? end;
  const copyTo = (to: number) => {
    for (; end < to; end++) {
      positions[length++] = original();
    }
  };
  const decoded = text.replace(
    escapes,
    (found, byte, unit, hex, decimal, plain, name, offset: number) => {
      copyTo(offset);
      const character =
        plain ??
        named[name?.toLowerCase()] ??
        String.fromCodePoint(decimal ?? Number.parseInt(byte ?? unit ?? hex, 16));
      positions.fill(original(), length, length + character.length);
      length += character.length;
      end += found.length;
      return character;
    },
  );
  copyTo(text.length);
  positions[length] = original();
  return { text: decoded, at: positions };
}
