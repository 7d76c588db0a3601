import type { LogContent } from "./content.js";

/** How a grant can be found. */
export type FoundState = "gone" | "active" | "inactive";

/**
 * What must be so when a log is right about a grant; undefined where it says nothing for sure. A grant
 * whose restore has begun is what the restore says.
 */
export function expectedState(content: LogContent, index: number): FoundState | undefined {
  switch (content.status(index)) {
    case "removed":
    case "not-found":
      return "gone";
    case "deactivated":
    case "already-inactive":
      return "inactive";
    default:
      if (!content.confirmed(index)) {
        return undefined;
      }
      return content.head.command === "remove" ? "gone" : "inactive";
  }
}
