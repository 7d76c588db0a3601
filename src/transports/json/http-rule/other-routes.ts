import type { HttpBinding } from "./bindings.js";
import { httpBindings } from "./bindings.js";
import { isWildcard, matchSegments, matchTemplate } from "./template.js";

/** A value that looks like a literal of another route, or like its verb, would reach that route. */
export function rejectOtherRoutes({ template, verb, rpc }: HttpBinding, segments: string[]): void {
  const own = matchSegments(template.segments, segments);
  const path = [...segments.slice(0, -1), segments.at(-1) + template.verb];
  for (const other of template.variables.length > 0 ? rpc.parent.methods : []) {
    const rivals = other === rpc ? [] : httpBindings(other);
    for (const rival of typeof rivals === "string" ? [] : rivals) {
      const matched = rival.verb === verb && matchTemplate(rival.template, path);
      if (
        matched &&
        (rival.template.verb.length > template.verb.length ||
          matched.some((segment, index) => !isWildcard(segment) && isWildcard(own?.[index])))
      ) {
        throw new Error(`its path would be that of ${other.name}`);
      }
    }
  }
}
