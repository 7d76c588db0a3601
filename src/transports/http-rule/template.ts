/**
 * A path template of `google.api.http`, flattened: variables are ranges of its segments.
 *
 * Template = "/" Segments [ Verb ]; Segments = Segment { "/" Segment }; Segment = "*" | "**" | LITERAL
 * | "{" FieldPath [ "=" Segments ] "}"; Verb = ":" LITERAL (google/api/http.proto).
 */
export interface PathTemplate {
  /** Literals, `*` (one segment) and at most one `**` (one or more). */
  readonly segments: readonly string[];
  readonly variables: readonly PathVariable[];
  /** The custom verb after the last colon; empty for none. */
  readonly verb: string;
}

export interface PathVariable {
  /** The request field it binds, nested ones with dots, by the names of the proto file. */
  readonly fieldPath: string;
  /** Its segments: from `start` up to, not including, `end`. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a template.
 *
 * @throws Error saying what is wrong with it.
 */
export function parseTemplate(template: string): PathTemplate {
  const slash = template.lastIndexOf("/");
  const brace = template.lastIndexOf("}");
  // After a variable the verb is all that follows; a literal may hold colons itself.
  const last = brace > slash ? template.indexOf(":", brace) : template.lastIndexOf(":");
  const colon = last > slash ? last : template.length;
  const path = template.slice(0, colon);
  const verb = template.slice(colon + 1);
  const segments: string[] = [];
  const variables: PathVariable[] = [];
  // Either a variable, or a segment without braces.
  const token = /\/(?:\{([\w.]+)(?:=([^{}]+))?\}|([^/{}]+))/y;
  while (token.lastIndex < path.length) {
    const match = token.exec(path);
    if (match === null) {
      throw new Error(`the path template "${template}" is malformed`);
    }
    const [, fieldPath, pattern = "*", literal] = match;
    const start = segments.length;
    segments.push(...(literal ?? pattern).split("/"));
    if (fieldPath !== undefined) {
      variables.push({ fieldPath, start, end: segments.length });
    }
  }
  if (
    segments.length === 0 ||
    template.endsWith(":") ||
    segments.includes("") ||
    segments.indexOf("**") !== segments.lastIndexOf("**")
  ) {
    throw new Error(`the path template "${template}" is malformed`);
  }
  return { segments, variables, verb };
}

/**
 * Compares path segments, decoded, with those of a template. Returns where each segment of the template
 * starts among them (and their number, at the end), or undefined when they do not match.
 */
export function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): number[] | undefined {
  const extra = segments.length - pattern.length;
  const starts: number[] = [];
  let at = 0;
  for (const expected of pattern) {
    starts.push(at);
    if (expected !== "*" && expected !== "**" && expected !== segments[at]) {
      return undefined;
    }
    at += expected === "**" ? extra + 1 : 1;
  }
  starts.push(at);
  return extra >= 0 && at === segments.length && !segments.includes("") ? starts : undefined;
}

/** Takes the template's verb off the last of the segments; undefined when it is not there. */
export function withoutVerb(verb: string, segments: readonly string[]): string[] | undefined {
  if (verb === "") {
    return [...segments];
  }
  const last = segments.at(-1) ?? "";
  return last.endsWith(`:${verb}`)
    ? [...segments.slice(0, -1), last.slice(0, -verb.length - 1)]
    : undefined;
}
