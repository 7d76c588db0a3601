/** How a text is compared, by the names of `zitadel.v1.TextQueryMethod`; their order is their numbers. */
export const textMethods = [
  "TEXT_QUERY_METHOD_EQUALS",
  "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE",
  "TEXT_QUERY_METHOD_STARTS_WITH",
  "TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE",
  "TEXT_QUERY_METHOD_CONTAINS",
  "TEXT_QUERY_METHOD_CONTAINS_IGNORE_CASE",
  "TEXT_QUERY_METHOD_ENDS_WITH",
  "TEXT_QUERY_METHOD_ENDS_WITH_IGNORE_CASE",
] as const;

export type TextMethod = (typeof textMethods)[number];

/** Whether a text matches; a missing one never does, as in SQL. */
export type TextMatch = (text: string | undefined) => boolean;

export function textMatch(wanted: string, method: TextMethod = textMethods[0]): TextMatch {
  const ignoresCase = method.endsWith("_IGNORE_CASE");
  const folded = ignoresCase ? wanted.toLowerCase() : wanted;
  const compare = comparisonOf(method);
  return (text) => text !== undefined && compare(ignoresCase ? text.toLowerCase() : text, folded);
}

function comparisonOf(method: TextMethod): (text: string, wanted: string) => boolean {
  if (method.includes("STARTS_WITH")) {
    return (text, wanted) => text.startsWith(wanted);
  }
  if (method.includes("ENDS_WITH")) {
    return (text, wanted) => text.endsWith(wanted);
  }
  if (method.includes("CONTAINS")) {
    return (text, wanted) => text.includes(wanted);
  }
  return (text, wanted) => text === wanted;
}
