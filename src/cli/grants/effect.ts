import { type Environment, platform, sleep } from "../../bulk/internal.js";
import type { Shown } from "./read.js";
import type { GrantRecord } from "./record.js";

/** How long ZITADEL's read model may lag; longer while it visibly moves. */
const lagMs = 10_000;
const firstPauseMs = 250;
const longestPauseMs = 2000;

export interface LookOptions {
  /** Whether what is shown of a grant is what is awaited. */
  readonly isAwaited: (grantId: string, record: GrantRecord | undefined) => boolean;
  /** Reads what is shown of grants: see `readEach`. */
  readonly read: (grantIds: readonly string[]) => AsyncIterable<readonly Shown[]>;
  /** Takes what is shown of a grant in the end. */
  readonly onShown: (grantId: string, record: GrantRecord | undefined) => Promise<void> | void;
  readonly stopped: () => boolean;
  /** Told before each pause, how many grants are waited for. */
  readonly onWait?: ((count: number) => void) | undefined;
  readonly environment?: Environment | undefined;
}

/**
 * Looks at what ZITADEL shows of grants: its read model, from which it builds tokens as well, follows what it
 * has confirmed after a moment. What is not as awaited is read again for ten seconds, and longer as long as
 * there is less of it each time.
 */
export async function lookAtEffect(
  grantIds: readonly string[],
  { isAwaited, read, onShown, stopped, onWait, environment = platform }: LookOptions,
): Promise<void> {
  let left = grantIds;
  let deadlineMs = Number.POSITIVE_INFINITY;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const waiting = new Map<string, GrantRecord | undefined>();
    for await (const shown of read(left)) {
      for (const [grantId, record] of shown) {
        if (isAwaited(grantId, record)) {
          await onShown(grantId, record);
        } else {
          waiting.set(grantId, record);
        }
      }
      // What needs no request would keep the process from hearing Ctrl-C.
      await sleep(environment, 0);
    }
    const nowMs = environment.monotonicMs();
    if (waiting.size === 0 || stopped()) {
      return;
    }
    if (waiting.size < left.length || deadlineMs === Number.POSITIVE_INFINITY) {
      deadlineMs = nowMs + lagMs;
    } else if (nowMs >= deadlineMs) {
      for (const [grantId, record] of waiting) {
        await onShown(grantId, record);
      }
      return;
    }
    left = [...waiting.keys()];
    onWait?.(left.length);
    await sleep(environment, Math.max(0, Math.min(pauseMs, deadlineMs - nowMs)));
  }
}
