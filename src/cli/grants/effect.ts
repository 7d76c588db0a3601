import { ConnectError } from "@connectrpc/connect";
import { platform, sleep } from "../../bulk/internal.js";
import { explain } from "../explain.js";
import { type Io, line } from "../io.js";
import type { FoundState } from "../log/read.js";
import type { StopSwitch } from "../progress.js";
import { counted } from "../terminal.js";
import type { Lookup } from "./lookup.js";
import { readEach } from "./read.js";
import type { GrantRecord } from "./record.js";

/** How long ZITADEL's read model may lag; longer while it visibly moves. */
const lagMs = 10_000;
const firstPauseMs = 250;
const longestPauseMs = 2000;

/** What a command looks with. */
export interface Viewer {
  /** Ends at the first Ctrl-C. */
  readonly reader: Lookup;
  readonly identity: { readonly orgId: string };
  readonly rate: number | undefined;
  readonly stopSwitch: Pick<StopSwitch, "stopSignal">;
  readonly quiet: boolean;
  readonly io: Pick<Io, "stderr" | "environment">;
}

/** How a grant must be shown; undefined where nothing is certain. What is not shown gives no roles: it is inactive. */
export type Expected = FoundState | "shown inactive" | undefined;

export function contradicts(expected: Expected, record: Seen): boolean {
  switch (expected) {
    case undefined:
      return false;
    case "gone":
    case "missing":
      return record !== undefined;
    case "inactive":
      return record !== undefined && record.state !== "inactive";
    case "shown inactive":
      return record?.state !== "inactive";
    case "active":
      return record?.state !== "active";
  }
}

/** What is shown of a grant: undefined if it is not shown. */
export type Seen = GrantRecord | undefined;

/** What ZITADEL shows of grants. */
export interface Look {
  /** How many were looked at, without those of which nothing is known. */
  readonly looked: number;
  /** Those that are not shown as expected. */
  readonly others: ReadonlyMap<string, Seen>;
}

/**
 * Looks at what ZITADEL shows of grants: its read model, from which it builds tokens as well, follows what it
 * has confirmed after a moment. What is not as expected is read again for ten seconds, and longer as long as
 * there is less of it each time.
 *
 * @param onShown takes what is shown of each grant in the end.
 * @returns undefined, after the reason is reported, when not all could be looked at.
 */
export async function look(
  expected: ReadonlyMap<string, Expected>,
  { reader, identity, rate, stopSwitch, quiet, io }: Viewer,
  onShown?: (grantId: string, record: Seen) => void,
): Promise<Look | undefined> {
  const { environment = platform } = io;
  const say = (text: string) => {
    if (!quiet) {
      line(io.stderr, text);
    }
  };
  const options = {
    orgId: identity.orgId,
    maxPerSecond: rate,
    onLong: (what: string) => say(`Looking whether it is in effect: ${what}.`),
  };
  let left: readonly string[] = [...expected.keys()];
  let deadlineMs: number | undefined;
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      const waiting = new Map<string, Seen>();
      for await (const shown of readEach(reader, left, options)) {
        for (const [grantId, record] of shown) {
          if (contradicts(expected.get(grantId), record)) {
            waiting.set(grantId, record);
          } else {
            onShown?.(grantId, record);
          }
        }
        // What needs no request would keep the process from hearing Ctrl-C.
        await sleep(environment, 0);
      }
      if (stopSwitch.stopSignal.aborted) {
        break;
      }
      if (deadlineMs === undefined && waiting.size > 0) {
        say(`Waiting until ZITADEL shows it: ${counted(waiting.size, "grant")} left.`);
      }
      const nowMs = environment.monotonicMs();
      if (deadlineMs === undefined || waiting.size < left.length) {
        deadlineMs = nowMs + lagMs;
      }
      if (waiting.size === 0 || nowMs >= deadlineMs) {
        for (const [grantId, record] of waiting) {
          onShown?.(grantId, record);
        }
        let looked = 0;
        for (const [grantId, state] of expected) {
          const isKnown = state !== undefined && state !== "missing";
          looked += isKnown || waiting.has(grantId) ? 1 : 0;
        }
        return { looked, others: waiting };
      }
      left = [...waiting.keys()];
      await sleep(environment, Math.min(pauseMs, deadlineMs - nowMs), stopSwitch.stopSignal);
    }
  } catch (reason) {
    if (!(reason instanceof ConnectError)) {
      throw reason;
    }
    if (!stopSwitch.stopSignal.aborted) {
      line(io.stderr, `Whether it is in effect could not be looked at: ${explain(reason, "read")}`);
      return undefined;
    }
  }
  line(io.stderr, "Whether it is in effect was not looked at to the end: it was stopped.");
  return undefined;
}
