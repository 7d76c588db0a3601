import { printable } from "../printable.js";

const longest = 200;

/** Why a text is not a valid grant id; undefined if it is valid. */
export function grantIdProblem(id: string): string | undefined {
  return (
    commonProblem(id) ??
    (/^[A-Za-z0-9_-]+$/.test(id) ? undefined : "a grant id has digits (letters, - and _ pass too)")
  );
}

/** Why a text is not a valid user id; undefined if it is valid. */
export function userIdProblem(id: string): string | undefined {
  return commonProblem(id);
}

function commonProblem(id: string): string | undefined {
  if (id === "") {
    return "it is empty";
  }
  if ([...id].length > longest) {
    return `it has more than ${longest} characters`;
  }
  if (/^\d(?:[.,]\d+)?E\+?\d+$/i.test(id)) {
    return "Excel has rounded this: format the column as text, and export the ids again";
  }
  const [invisible] = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|\ufffd/u.exec(id) ?? [];
  if (invisible !== undefined) {
    const hex = invisible.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
    return `it holds a character that cannot be printed (U+${hex})`;
  }
  return undefined;
}

/** A rejected value in a form that may be shown. */
export function show(value: unknown): string {
  const text = printable(
    typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? "nothing"),
  );
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * Whether ids look as if Excel had rounded them to 15 digits: 400986363463207974 becomes 400986363463207000.
 * One id in a thousand ends like this by chance; two in a row are unlikely to.
 */
export class RoundingCheck {
  #long = 0;
  #rounded = 0;

  add(id: string): void {
    if (/^\d{16,}$/.test(id)) {
      this.#long += 1;
      if (/^\d{15}0+$/.test(id)) {
        this.#rounded += 1;
      }
    }
  }

  get isRounded(): boolean {
    return this.#rounded >= 2 && this.#rounded === this.#long;
  }
}
