import { ConnectError } from "@connectrpc/connect";
import { type Environment, platform, sleep } from "../../bulk/internal.js";
import { explain } from "../explain.js";
import { type Io, line } from "../io.js";
import type { Rate } from "../pace.js";
import { duration, type StopSwitch } from "../progress.js";
import { counted } from "../terminal.js";
import type { Lookup } from "./lookup.js";
import { readEach, type Shown } from "./read.js";
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
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
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
  { isAwaited, read, onShown, signal, onWait, environment = platform }: LookOptions,
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
    if (waiting.size === 0 || signal.aborted) {
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
    await sleep(environment, Math.max(0, Math.min(pauseMs, deadlineMs - nowMs)), signal);
  }
}

/** What a command looks with. */
export interface Viewer {
  readonly lookup: Lookup;
  readonly identity: { readonly orgId: string | null };
  readonly rate: Rate;
  readonly stopSwitch: StopSwitch;
  readonly quiet: boolean;
  readonly io: Io;
}

const longMs = 10_000;

/**
 * Looks at the effect of a command, and says what takes long.
 *
 * @returns how many were looked at; undefined, after reporting the reason, when they cannot be looked at.
 */
export async function viewEffect(
  grantIds: readonly string[],
  { isAwaited, onShown }: Pick<LookOptions, "isAwaited" | "onShown">,
  { lookup, identity, rate, stopSwitch, quiet, io }: Viewer,
): Promise<number | undefined> {
  const say = (text: string) => {
    if (!quiet) {
      line(io.stderr, text);
    }
  };
  const options = {
    orgId: identity.orgId,
    maxPerSecond: rate.maxPerSecond,
    stopped: () => stopSwitch.stopped,
    onStart: (what: string, ms: number) => {
      if (ms > longMs) {
        say(`Looking whether it is in effect: ${what}, about ${duration(ms)}.`);
      }
    },
  };
  let looked = 0;
  let waits = false;
  try {
    await lookAtEffect(grantIds, {
      ...{ isAwaited, signal: stopSwitch.stopSignal },
      read: (ids) => readEach(lookup, ids, options),
      onShown(grantId, record) {
        looked += 1;
        return onShown(grantId, record);
      },
      onWait(count) {
        if (!waits) {
          say(`Waiting until ZITADEL shows it: ${counted(count, "grant")} left.`);
        }
        waits = true;
      },
    });
    return looked;
  } catch (reason) {
    if (!(reason instanceof ConnectError)) {
      throw reason;
    }
    const why = stopSwitch.stopped ? "it was stopped." : explain(reason, "read");
    line(io.stderr, `Whether it is in effect could not be looked at: ${why}`);
    return undefined;
  }
}
