/**
 * Text of a server or a file in a form that is safe to show: control characters, invisible characters and
 * those that change the text direction are escaped.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** How many columns of a terminal a text takes: East Asian characters and emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    columns += wide.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  }
  return columns;
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

/** A text of exactly this many columns: padded with spaces, or truncated with an ellipsis. */
export function toWidth(text: string, columns: number): string {
  if (columnsOf(text) <= columns) {
    return text + " ".repeat(columns - columnsOf(text));
  }
  let cut = "";
  let used = 0;
  for (const character of text) {
    const width = columnsOf(character);
    if (used + width > columns - 1) {
      break;
    }
    cut += character;
    used += width;
  }
  return `${cut}…${" ".repeat(Math.max(0, columns - 1 - used))}`;
}

/** 1234567 as "1,234,567". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** "1 grant", "1,200 grants". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}
