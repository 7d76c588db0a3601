import { ConnectError } from "@connectrpc/connect";
import { explain } from "../../explain.js";
import { type Viewer, viewEffect } from "../../grants/effect.js";
import type { GrantRecord } from "../../grants/record.js";
import { selectGrants, shortfallOf } from "../../grants/select.js";
import { type Io, line } from "../../io.js";
import type { LoggedCommand } from "../../log/entry.js";
import type { RunLog } from "../../log/write.js";
import { grouped, paint, printable } from "../../terminal.js";
import type { Plan } from "./plan.js";

/** What a run's end is looked at with. */
export interface EffectContext extends Viewer {
  readonly plan: Plan;
  readonly protocol: string;
  readonly log: RunLog | undefined;
}

/** What ZITADEL shows after a run. */
export interface Look {
  /** Whether nothing gives roles any more that the run was for. */
  readonly isOver: boolean;
  readonly looked: number;
  /** Deactivated grants that still give roles. */
  readonly active: readonly GrantRecord[];
  /** Whether these are all that is left. */
  readonly isRestOver: boolean;
}

const mostListed = 20;

/**
 * Looks whether the access has ended, and reports it: at what ZITADEL shows of these grants, from which it builds
 * tokens, as soon as it has caught up; and whether anything still matches what was selected.
 *
 * @param confirmed how many of them the server has confirmed.
 */
export async function lookAfterRun(
  grantIds: readonly string[],
  confirmed: number,
  context: EffectContext,
): Promise<Look> {
  const { plan, identity, log, quiet, io } = context;
  const { command } = plan;
  /** Grants that still give roles, removed ones that are still shown, and those of other organizations. */
  const active: GrantRecord[] = [];
  const inactive: GrantRecord[] = [];
  const foreign: GrantRecord[] = [];
  const isForeign = ({ orgId }: GrantRecord) =>
    orgId !== undefined && identity.orgId !== null && orgId !== identity.orgId;
  const looked = await viewEffect(
    grantIds,
    {
      isAwaited: (_, record) =>
        record === undefined || isForeign(record) || hasNoEffect(command, record),
      onShown(_, record) {
        if (record !== undefined && (isForeign(record) || !hasNoEffect(command, record))) {
          (isForeign(record) ? foreign : record.state === "active" ? active : inactive).push(
            record,
          );
        }
      },
    },
    context,
  );
  if (looked === undefined) {
    return { isOver: false, looked: 0, active: [], isRestOver: false };
  }
  const left = active.length + inactive.length + foreign.length;
  const isComplete = looked === grantIds.length;
  log?.effect({
    ...{ looked, inEffect: looked - left },
    others: [...active, ...inactive, ...foreign].map(({ grantId, state }) => {
      return { grantId, shows: state };
    }),
  });
  if (!isComplete) {
    line(io.stderr, `Stopped: only ${grouped(looked)} were looked at.`);
  }
  listGrants(active, "still gives roles", io);
  listGrants(inactive, "is still shown, and gives no roles", io);
  listGrants(foreign, "is of another organization, which this run cannot change", io);
  if (active.length + inactive.length > 0) {
    line(
      io.stderr,
      `${grouped(active.length + inactive.length)} of ${grouped(looked)} are confirmed by the server and not in effect: releases of ZITADEL before the fix of September 2026 can lose an event for ever.`,
    );
    line(
      io.stderr,
      command === "remove"
        ? operatorAdvice("a removal")
        : "--repair deactivates them again, which gives access back for a moment.",
    );
  }
  const known = new Set([...active, ...inactive].map(({ grantId }) => grantId));
  const isClear = isComplete && (await searchAgain(known, context));
  const isOver = isClear && left === 0;
  if (!quiet || !isOver) {
    const inEffect = `${grouped(looked - left)} of ${grouped(looked)}`;
    line(io.stderr, `${grouped(confirmed)} confirmed by the server; in effect: ${inEffect}.`);
  }
  const repairable = command === "deactivate" ? active : [];
  return { isOver, looked, active: repairable, isRestOver: isClear && left === repairable.length };
}

/** What can be done about a skipped event that a client cannot mend. */
export function operatorAdvice(what: string): string {
  return `A client cannot repair ${what}. The operator can: update ZITADEL to a release with the fix of September 2026, and rebuild the projection of user grants; until then, deactivate the user, or remove the role from the project.`;
}

function hasNoEffect(command: LoggedCommand, { state }: GrantRecord): boolean {
  return command === "deactivate" && state !== "active";
}

/** Searches for what the run was for once more. Returns whether nothing matches any more. */
async function searchAgain(
  known: ReadonlySet<string>,
  { plan, lookup, identity, protocol, io }: EffectContext,
): Promise<boolean> {
  if (plan.selectors === undefined) {
    return true;
  }
  const left: GrantRecord[] = [];
  try {
    const selection = selectGrants(lookup, plan.selectors, identity.orgId);
    for (;;) {
      const { done, value } = await selection.next();
      if (done) {
        const shortfall = shortfallOf(value, protocol);
        listGrants(left, "matches what was selected, and is there", io);
        if (shortfall !== undefined) {
          line(io.stderr, `What is left could not be read to the end: ${shortfall}`);
        }
        return left.length === 0 && shortfall === undefined;
      }
      if (!hasNoEffect(plan.command, value) && !known.has(value.grantId)) {
        left.push(value);
      }
    }
  } catch (reason) {
    if (!(reason instanceof ConnectError)) {
      throw reason;
    }
    line(io.stderr, `What is left could not be read: ${explain(reason, "read")}`);
    return false;
  }
}

function listGrants(records: readonly GrantRecord[], what: string, io: Io): void {
  for (const { grantId, displayName, userId, projectName, projectId } of records.slice(
    0,
    mostListed,
  )) {
    const whose = `${displayName ?? userId}, ${projectName ?? projectId}`;
    line(io.stderr, paint(io.stderr, "danger", printable(`${grantId} ${what} (${whose})`)));
  }
  if (records.length > mostListed) {
    line(io.stderr, `and ${grouped(records.length - mostListed)} more ${what}`);
  }
}
