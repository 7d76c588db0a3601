import type { Result } from "./requests.js";

type Failed = Exclude<Result, { kind: "ok" }>;

/** Single items that fail so before all are taken to fail for a reason that is not in them. */
const mostLostAlone = 2;

/**
 * Asks for the halves of a group that has failed, and for their halves, until those are alone that fail.
 *
 * @param ask is told to conclude nothing of what it fails for.
 * @param conclude for a single item that has failed, and for several that are not asked for any more:
 * the server is throttling, or fails for every item.
 */
export async function bisect<Item>(
  group: readonly Item[],
  failure: Result,
  handlers: {
    readonly ask: (part: readonly Item[]) => Promise<Result>;
    readonly conclude: (part: readonly Item[], failure: Failed) => void;
  },
): Promise<void> {
  const { ask, conclude } = handlers;
  let passed = false;
  let lostAlone = 0;
  let broken: Failed | undefined;
  await settle(group, failure);

  async function settle(part: readonly Item[], result: Result): Promise<void> {
    if (result.kind === "ok") {
      passed = true;
      return;
    }
    if (part.length === 1 && result.kind === "lost") {
      lostAlone += 1;
      if (lostAlone >= mostLostAlone && !passed) {
        broken = result;
      }
    }
    if (part.length === 1 || result.kind === "throttled") {
      conclude(part, result);
      return;
    }
    const middle = Math.ceil(part.length / 2);
    for (const half of [part.slice(0, middle), part.slice(middle)]) {
      if (broken === undefined) {
        await settle(half, await ask(half));
      } else {
        conclude(half, broken);
      }
    }
  }
}
