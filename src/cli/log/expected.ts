import type { LogContent } from "./content.js";

/** How to look up a grant. */
export type FoundState = "gone" | "active" | "inactive";

/** What must be true if a log is right about a grant. */
export interface Expectation {
  /** The grant itself, or the one that a restore has added in its place. */
  readonly grantId: string;
  /** Undefined if the log is not certain. */
  readonly state: FoundState | undefined;
}

export function expectationOf(content: LogContent, index: number): Expectation {
  const grantId = content.grants.grantId(index);
  const restored = content.restore.outcome(index);
  if (restored !== undefined && restored.restored !== "failed") {
    return { grantId: restored.newGrantId ?? grantId, state: restored.state };
  }
  return { grantId, state: afterRun(content, index) };
}

function afterRun(content: LogContent, index: number): FoundState | undefined {
  switch (content.states.status(index)) {
    case "removed":
    case "not-found":
      return "gone";
    case "deactivated":
    case "already-inactive":
      return "inactive";
    default:
      if (!content.states.confirmed(index)) {
        return undefined;
      }
      return content.head.command === "remove" ? "gone" : "inactive";
  }
}
