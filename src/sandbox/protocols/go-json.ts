import type { JsonValue } from "@bufbuild/protobuf";

/**
 * Reads the first JSON value of a text, as Go's `json.Decoder` does: the text after it is ignored, and a text
 * without a value is no error.
 *
 * @returns undefined for a text of white space.
 * @throws Error with Go's message, for a truncated value and for the common kinds of invalid ones.
 */
export function parseGoJson(text: string): JsonValue | undefined {
  if (text.trim() === "") {
    return undefined;
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    const at = Number(/at position (\d+)/.exec(message)?.[1] ?? text.length);
    if (/after JSON at position/.test(message)) {
      return JSON.parse(text.slice(0, at)) as JsonValue;
    }
    const found = /^Unexpected token '(.)'/u.exec(message)?.[1] ?? text.slice(at).trimStart()[0];
    const where = places.find(([pattern]) => pattern.test(message))?.[1];
    throw new Error(
      found === undefined || message.startsWith("Unterminated")
        ? "unexpected EOF"
        : `invalid character '${found}' ${where ?? "looking for beginning of value"}`,
    );
  }
}

/** Go's messages for errors that V8 reports with another message. */
const places: readonly [RegExp, string][] = [
  [/property name or/, "looking for beginning of object key string"],
  [/double-quoted property name/, "looking for beginning of object key string"],
  [/after property name/, "after object key"],
  [/after property value/, "after object key:value pair"],
  [/after array element/, "after array element"],
];
