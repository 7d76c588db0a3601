import { explain } from "../../explain.js";
import { look } from "../../grants/effect.js";
import type { GrantRecord } from "../../grants/record.js";
import { line } from "../../io.js";
import type { Change } from "../../log/entry.js";
import { LogContent, loggedGrants } from "../../log/read.js";
import { counted, printable } from "../../terminal.js";
import type { Context } from "./context.js";
import { endPair, sendStep } from "./step.js";

/** More skipped events than these are a projection that stands still, which no event can mend. */
const mostSkipped = 50;
const mostSkippedShare = 0.01;

/**
 * Mends skipped events: ZITADEL has confirmed the deactivation of these grants, and shows an older state. Each is
 * reactivated, once, and deactivated again, whatever came of that: two new events, one grant at a time. That gives
 * access back for a moment, so this runs on request only.
 *
 * @param looked how many grants of the run were looked at.
 * @returns whether all of them are in effect now.
 * @throws Ended when the repair could not be finished.
 */
export async function repair(
  skipped: readonly GrantRecord[],
  looked: number,
  context: Context,
): Promise<boolean> {
  const { log, writer, pairs, io } = context;
  if (skipped.length > Math.min(mostSkipped, Math.max(1, looked * mostSkippedShare))) {
    line(
      io.stderr,
      `Nothing is repaired: ${skipped.length} of ${looked} are too many for skipped events. ZITADEL's projection of grants stands still or lags far behind: an operator has to look at it. Verify again when it has caught up.`,
    );
    return false;
  }
  const inactive = new Map<string, "inactive">();
  let begun = 0;
  let lost = 0;
  for (const { grantId, userId } of skipped) {
    pairs.add(grantId);
    const send = () => writer.reactivateGrant(grantId);
    const reactivation = await sendStep(grantId, "reactivate", context, send, { once: true });
    if (reactivation === undefined) {
      pairs.delete(grantId);
      break;
    }
    begun += 1;
    if (await deactivate(grantId, userId, context)) {
      inactive.set(grantId, "inactive");
    }
    if (reactivation.lost.length > 0) {
      lost += 1;
      line(
        io.stderr,
        `Undecided: ${grantId} may be active: the response to its reactivation was lost, so it may be reactivated late.`,
      );
    }
  }
  reportRepaired(inactive.size, context);
  if (begun < skipped.length) {
    const why = log?.failure === undefined ? "" : `: ${log.failure.message}`;
    line(io.stderr, `${counted(skipped.length - begun, "grant")} not repaired${why}.`);
  }
  const again = await look(inactive, context);
  for (const grantId of again?.others.keys() ?? []) {
    line(io.stderr, `${grantId} is still shown as active.`);
  }
  const isMended = again?.others.size === 0 && inactive.size === skipped.length && lost === 0;
  context.checkEnded("repair", isMended);
  return isMended;
}

/** Deactivates grants that an interrupted repair may have left active. @returns whether all are inactive. */
export async function finishRepairs(content: LogContent, context: Context): Promise<boolean> {
  const { stderr } = context.io;
  const begun = [...content.grants.values()].filter(({ mayBeActive }) => mayBeActive);
  if (begun.length === 0) {
    return true;
  }
  line(
    stderr,
    `An interrupted repair may have left ${counted(begun.length, "grant")} active: deactivating first.`,
  );
  for (const grant of begun) {
    grant.mayBeActive = !(await deactivate(grant.grantId, grant.userId, context));
  }
  const left = begun.filter(({ mayBeActive }) => mayBeActive).length;
  reportRepaired(begun.length - left, context);
  return left === 0;
}

async function deactivate(grantId: string, userId: string, context: Context): Promise<boolean> {
  const failure = await endPair(grantId, grantId, userId, context);
  if (failure !== undefined) {
    const why = `it could not be deactivated: ${explain(failure.error)}`;
    line(context.io.stderr, printable(`Undecided: ${grantId} may be active: ${why}`));
  }
  return failure === undefined;
}

function reportRepaired(count: number, { io }: Context): void {
  if (count > 0) {
    line(io.stderr, `${counted(count, "grant")} deactivated again.`);
  }
}

/**
 * Which active grants show an older state than the deactivation that the server has confirmed, as an event was
 * skipped, and which a newer one.
 *
 * @param path of the log of the run: without one nothing newer can be told.
 */
export async function judge(active: readonly GrantRecord[], path: string | undefined) {
  if (active.length === 0 || path === undefined) {
    return { skipped: active, changed: [] };
  }
  const content = await LogContent.read(path);
  const skipped: GrantRecord[] = [];
  const changed: GrantRecord[] = [];
  const before = new Map<string, Change>();
  if (active.some(({ grantId }) => content.grants.get(grantId)?.change === undefined)) {
    // ZITADEL v2.70 does not date what was inactive already: what has not changed since before the run is older.
    const ids = new Set(active.map(({ grantId }) => grantId));
    for await (const { grantId, recorded } of loggedGrants(path)) {
      if (ids.has(grantId) && recorded !== undefined) {
        before.set(grantId, recorded);
      }
    }
  }
  for (const record of active) {
    const { change } = content.grants.get(record.grantId) ?? {};
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
