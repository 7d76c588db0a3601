import { ConnectError } from "@connectrpc/connect";
import { isPermanent, type ManagementClient, platform, sleep } from "../../../bulk/internal.js";
import { close, describeError, isGrantInactive, mayHaveBeenApplied } from "../../../index.js";
import { type Identified, lookupOptions } from "../../account.js";
import { explain } from "../../explain.js";
import { lookAtEffect } from "../../grants/effect.js";
import { createLookup, type Lookup } from "../../grants/lookup.js";
import { readEach } from "../../grants/read.js";
import type { GrantRecord } from "../../grants/record.js";
import { type Io, line } from "../../io.js";
import type { Change } from "../../log/entry.js";
import { LogFailure } from "../../log/file.js";
import { type GrantInLog, type LogContent, loggedGrants } from "../../log/read.js";
import { changeOf, type RunLog } from "../../log/write.js";
import { type Rate, retryPauseMs } from "../../pace.js";
import { createStopSwitch, type StopSwitch } from "../../progress.js";
import { counted, printable } from "../../terminal.js";

/** More skipped events than these are a projection that stands still, which no event can mend. */
const mostSkipped = 50;
const mostSkippedShare = 0.01;
/** For how long a deactivation is retried. */
const giveUpMs = 300_000;
const timeoutMs = 30_000;

export interface RepairContext extends Identified {
  readonly content: LogContent;
  readonly log: RunLog;
  readonly rate: Rate;
  readonly io: Io;
}

/**
 * Mends skipped events: ZITADEL has confirmed the deactivation of these grants, and goes on showing them as
 * active. Each is reactivated and deactivated again, which makes two new events, one grant at a time, and gives
 * access back for a moment: so this runs on request only.
 *
 * @param active the grants that still give roles, as ZITADEL shows them.
 * @param looked how many grants of the run were looked at.
 * @returns whether none of them gives roles any more.
 */
export async function repair(
  active: readonly GrantRecord[],
  looked: number,
  context: RepairContext,
): Promise<boolean> {
  const { io } = context;
  if (active.length > Math.min(mostSkipped, Math.max(1, looked * mostSkippedShare))) {
    line(
      io.stderr,
      `Nothing is repaired: ${active.length} of ${looked} are too many for skipped events. ZITADEL's projection of grants stands still or lags far behind: an operator has to look at it. Verify again when it has caught up.`,
    );
    return false;
  }
  const { skipped, changed } = await judge(active, context.content);
  for (const { grantId } of changed) {
    line(io.stderr, `${grantId} was changed again since this run: it is left alone.`);
  }
  const worker = new Repair(context);
  try {
    for (const { grantId, userId } of skipped) {
      await worker.pair(grantId, userId);
    }
    const open = await worker.stillActive();
    for (const grantId of open) {
      line(io.stderr, `${grantId} is still shown as active.`);
    }
    return worker.report() && open.length === 0 && changed.length === 0;
  } finally {
    worker.end();
  }
}

/**
 * Deactivates grants that an interrupted repair may have left active.
 *
 * @returns whether all are.
 */
export async function finishRepairs(
  grants: readonly GrantInLog[],
  context: RepairContext,
): Promise<boolean> {
  if (grants.length === 0) {
    return true;
  }
  line(
    context.io.stderr,
    `An interrupted repair may have left ${counted(grants.length, "grant")} active: deactivating first.`,
  );
  const worker = new Repair(context);
  try {
    for (const grant of grants) {
      grant.mayBeActive = !(await worker.deactivate(grant.grantId, grant.userId));
    }
    return worker.report();
  } finally {
    worker.end();
  }
}

/** Which of them show an older state than the server has confirmed, and which a newer one. */
async function judge(active: readonly GrantRecord[], content: LogContent) {
  const skipped: GrantRecord[] = [];
  const changed: GrantRecord[] = [];
  const before = new Map<string, Change>();
  if (active.some(({ grantId }) => content.find(grantId)?.change === undefined)) {
    // ZITADEL v2.70 does not date what was inactive already: what has not changed since before the run is older.
    const ids = new Set(active.map(({ grantId }) => grantId));
    for await (const { grantId, recorded } of loggedGrants(content.path, "verify")) {
      if (ids.has(grantId) && recorded !== undefined) {
        before.set(grantId, recorded);
      }
    }
  }
  for (const record of active) {
    const { change } = content.find(record.grantId) ?? {};
    const earlier = before.get(record.grantId);
    const isOlder =
      change === undefined
        ? earlier !== undefined && compareChanges(record, earlier) === 0
        : compareChanges(record, change) < 0;
    (isOlder ? skipped : changed).push(record);
  }
  return { skipped, changed };
}

/** Less than 0 if the first is older: by their sequences, or by their dates where a sequence is missing. */
export function compareChanges(a: Change, b: Change): number {
  if (a.sequence !== undefined && b.sequence !== undefined) {
    const difference = BigInt(a.sequence) - BigInt(b.sequence);
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  // Nine digits after the second, so that texts compare as times.
  const exact = ({ changeDate = "" }: Change) =>
    changeDate.replace(/(?:\.(\d+))?Z$/, (_, digits = "") => `.${digits.padEnd(9, "0")}Z`);
  return exact(a) < exact(b) ? -1 : exact(a) > exact(b) ? 1 : 0;
}

class Repair {
  readonly #context: RepairContext;
  readonly #client: ManagementClient;
  readonly #lookup: Lookup;
  readonly #stopSwitch: StopSwitch;
  readonly #done: string[] = [];
  /** Grants that may be active, and why. */
  readonly #undecided = new Map<string, string>();
  #left = 0;
  #current: string | undefined;

  constructor(context: RepairContext) {
    this.#context = context;
    const { connection, rate, io } = context;
    this.#stopSwitch = createStopSwitch(io, {
      left: () => this.#current && `Left at once: grant ${this.#current} may be active.`,
    });
    this.#client = connection.createClient();
    this.#lookup = createLookup(connection, lookupOptions(this.#stopSwitch.pairSignal, rate, io));
  }

  end(): void {
    this.#stopSwitch.end();
    close(this.#client);
  }

  /** Reactivates a grant, once, and deactivates it again, whatever came of that. */
  async pair(grantId: string, userId: string): Promise<void> {
    const { log } = this.#context;
    if (this.#stopSwitch.stopped || log.failure !== undefined) {
      this.#left += 1;
      return;
    }
    this.#current = grantId;
    const step = await log.repairStep(grantId, "reactivate");
    let open = false;
    try {
      log.stepResponse(step, true, await this.#lookup.reactivateGrant(grantId));
    } catch (reason) {
      open = mayHaveBeenApplied(reason);
      if (!open) {
        log.stepResponse(step, false);
      }
    }
    await this.deactivate(grantId, userId);
    this.#current = undefined;
    if (open && !this.#undecided.has(grantId)) {
      this.#undecided.set(
        grantId,
        "the response to its reactivation was lost, so it may be reactivated late",
      );
    }
  }

  /** Deactivates a grant, retrying as long as that may help. Whether it is inactive. */
  async deactivate(grantId: string, userId: string): Promise<boolean> {
    const { log } = this.#context;
    const signal = this.#stopSwitch.pairSignal;
    const untilMs = platform.monotonicMs() + giveUpMs;
    for (let attempt = 1; ; attempt += 1) {
      // It must be sent even if it cannot be logged: the grant may be active.
      const step = await log.repairStep(grantId, "deactivate").catch((error: unknown) => {
        if (error instanceof LogFailure) {
          return undefined;
        }
        throw error;
      });
      const respond = (ok: boolean, change?: Change) =>
        step !== undefined && log.stepResponse(step, ok, change);
      try {
        const request = { userId: userId || grantId, grantId };
        const response = await this.#client.deactivateUserGrant(request, { signal, timeoutMs });
        respond(true, changeOf(response));
        this.#done.push(grantId);
        return true;
      } catch (reason) {
        const error = ConnectError.from(reason);
        if (isGrantInactive(error)) {
          respond(true);
          this.#done.push(grantId);
          return true;
        }
        const open = mayHaveBeenApplied(error);
        if (!open) {
          respond(false);
        }
        const mayHelp = open || describeError(error).id === undefined;
        const pauseMs = retryPauseMs(platform, attempt, error);
        const isLate = platform.monotonicMs() + pauseMs > untilMs;
        if (!mayHelp || isLate || isPermanent(error) || signal.aborted) {
          this.#undecided.set(grantId, `it could not be deactivated: ${explain(error)}`);
          return false;
        }
        await sleep(platform, pauseMs, signal);
      }
    }
  }

  /** Those of the repaired grants that go on showing as active. */
  async stillActive(): Promise<readonly string[]> {
    const { identity, rate } = this.#context;
    const active: string[] = [];
    const options = { orgId: identity.orgId, maxPerSecond: rate.maxPerSecond };
    await lookAtEffect(this.#done, {
      isAwaited: (_, record) => record?.state !== "active",
      read: (ids) => readEach(this.#lookup, ids, options),
      onShown(grantId, record) {
        if (record?.state === "active") {
          active.push(grantId);
        }
      },
      signal: this.#stopSwitch.stopSignal,
    });
    return active;
  }

  /** Says what was done. Whether everything was. */
  report(): boolean {
    const { log, io } = this.#context;
    if (this.#done.length > 0) {
      line(io.stderr, `${counted(this.#done.length, "grant")} deactivated again.`);
    }
    for (const [grantId, why] of this.#undecided) {
      line(io.stderr, printable(`Undecided: ${grantId} may be active: ${why}`));
    }
    if (this.#left > 0) {
      const why = log.failure === undefined ? "" : `: ${log.failure.message}`;
      line(io.stderr, `${counted(this.#left, "grant")} not repaired${why}.`);
    }
    return this.#undecided.size === 0 && this.#left === 0;
  }
}
