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
  /** The custom verb with its colon; empty for none. */
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
 * @throws Error when it is malformed.
 */
export function parseTemplate(template: string): PathTemplate {
  // After a variable, only the verb can follow; a literal may itself contain colons.
  const [, afterVariable, afterLiteral = ""] = /\}(:[^/]*)$|(:[^/:}]*)$/.exec(template) ?? [];
  const verb = afterVariable ?? afterLiteral;
  const segments: string[] = [];
  const variables: PathVariable[] = [];
  const rest = template.slice(0, template.length - verb.length).replace(
    // A variable with its pattern, or a segment without braces.
    /\/(?:\{([\w.]+)(?:=([^{}]+))?\}|([^/{}]+))/gy,
    (_, fieldPath: string | undefined, pattern = "*", literal = pattern) => {
      const start = segments.length;
      segments.push(...literal.split("/"));
      if (fieldPath) {
        variables.push({ fieldPath, start, end: segments.length });
      }
      return "";
    },
  );
  if (
    rest ||
    verb === ":" ||
    !segments[0] ||
    segments.includes("") ||
    segments.indexOf("**") !== segments.lastIndexOf("**")
  ) {
    throw new Error(`the path template "${template}" is malformed`);
  }
  return { segments, variables, verb };
}

export function isWildcard(segment: string | undefined): boolean {
  return segment === "*" || segment === "**";
}

/**
 * Compares path segments, decoded, with those of a template. Returns for each of them the segment of
 * the template that it matches, or undefined when they do not match.
 */
export function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): string[] | undefined {
  const extra = segments.length - pattern.length;
  const matched = pattern.flatMap((each) =>
    each === "**" && extra > 0 ? new Array<string>(extra + 1).fill(each) : each,
  );
  return matched.length === segments.length &&
    segments.every((each, index) => each && (isWildcard(matched[index]) || matched[index] === each))
    ? matched
    : undefined;
}

/** The same with the template's verb, which is at the end of the last segment. */
export function matchTemplate(
  { segments, verb }: PathTemplate,
  path: readonly string[],
): string[] | undefined {
  const last = path.at(-1) ?? "";
  return last.endsWith(verb)
    ? matchSegments(segments, [...path.slice(0, -1), last.slice(0, last.length - verb.length)])
    : undefined;
}
