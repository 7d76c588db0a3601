/** A text, decoded. */
export interface Decoding {
  readonly text: string;
  /** Where each character was in the original, and where that ended; undefined for the original itself. */
  readonly at: Uint32Array | undefined;
}

/** Percent-encoding, the escapes of JSON and of programming languages, and the character references of HTML. */
const escapes =
  /%([\da-f]{2})|\\u([\da-f]{4})|\\x([\da-f]{2})|\\(["'\\/])|&#x([\da-f]{1,6});|&#(\d{1,7});|&(amp|lt|gt|quot|apos);/gi;
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
  const found: Decoding[] = [{ text, at: undefined }];
  for (let last = found[0]; last !== undefined && found.length <= maxDepth; ) {
    last = decode(last);
    if (last !== undefined) {
      found.push(last);
    }
  }
  return found;
}

/** Undefined if there is no escape in it. */
function decode({ text, at }: Decoding): Decoding | undefined {
  if (text.search(escapes) < 0) {
    return undefined;
  }
  const positions = new Uint32Array(text.length + 1);
  let decoded = "";
  let length = 0;
  let end = 0;
  const copyTo = (to: number) => {
    decoded += text.slice(end, to);
    for (; end < to; end++) {
      positions[length++] = at?.[end] ?? end;
    }
  };
  for (const match of text.matchAll(escapes)) {
    copyTo(match.index);
    const character = characterOf(match);
    decoded += character;
    positions.fill(at?.[end] ?? end, length, length + character.length);
    length += character.length;
    end += match[0].length;
  }
  copyTo(text.length);
  positions[length] = at?.[end] ?? end;
  return { text: decoded, at: positions };
}

function characterOf(match: RegExpExecArray): string {
  const [, percent, unicode, byte, plain, hexReference, reference, name] = match;
  const hex = percent ?? unicode ?? byte ?? hexReference;
  if (hex === undefined && reference === undefined) {
    return plain ?? named[String(name).toLowerCase()] ?? "";
  }
  const code = hex === undefined ? Number(reference) : Number.parseInt(hex, 16);
  return code > 0x10ffff ? "\0" : String.fromCodePoint(code);
}
