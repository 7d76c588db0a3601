import type { Result } from "./requests.js";

type Failed = Exclude<Result, { kind: "ok" }>;

/** When this many single items lost their response and none has passed, the rest is not tried. */
const mostLostAlone = 2;

/**
 * Requests the halves of a failed group, and their halves, until each failing item is isolated.
 *
 * @param ask draws no conclusions from a failure.
 * @param conclude is called with a single item that failed, or with several that are not tried any further
 * because the server is throttling or fails for every item.
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
