/** Why a value is not a valid id; undefined if it is valid. */
export function grantIdProblem(value: unknown): string | undefined {
  if (typeof value !== "string") {
    return `${value === null ? "null" : typeof value}, not a string`;
  }
  if (value === "") {
    return "empty";
  }
  if (value.includes("\0")) {
    return "with a NUL character, which ZITADEL's database does not take";
  }
  if (!value.isWellFormed()) {
    // Encoding would turn it into another id.
    return "not well-formed Unicode";
  }
  // From a file with Windows line ends, for example. The server would report such a grant as not found, and
  // the grant that is meant would remain.
  const [unseen] = /^\s|\s$|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(value) ?? [];
  return unseen === undefined
    ? undefined
    : `surrounded by white space, or holds an invisible character (U+${unseen.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")})`;
}

/** How a value is shown in its outcome: the id, or a description of the invalid value. */
export function nameOf(value: unknown): string {
  return typeof value === "object" && value !== null
    ? Object.prototype.toString.call(value)
    : String(value);
}

/** How many bytes a string takes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) {
      // A surrogate is half of a character of four bytes.
      bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
    }
  }
  return bytes;
}
