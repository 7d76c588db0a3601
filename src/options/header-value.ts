/**
 * Why a value is not a single token of a header: for ids and bearer tokens, which are visible ASCII without
 * spaces (RFC 6750, section 2.1 allows no more for a token). The result describes the value without
 * containing it. Undefined if the value is valid.
 */
export function headerValueProblem(value: unknown): string | undefined {
  if (typeof value !== "string") {
    return value === null ? "null" : typeof value;
  }
  if (value === "") {
    return "an empty string";
  }
  const position = value.search(/[^\x21-\x7e]/);
  if (position === -1) {
    return undefined;
  }
  const character = value.charCodeAt(position);
  const kind =
    character === 10 || character === 13
      ? "a line break"
      : character === 32
        ? "a space"
        : character < 32 || character === 127
          ? "a control character"
          : "a character outside of ASCII";
  return `a string of ${value.length} characters with ${kind} at position ${position + 1}`;
}
