import { ConnectError } from "@connectrpc/connect";
import type { Identity } from "../../account.js";
import { explain } from "../../explain.js";
import { type Viewer, viewEffect } from "../../grants/effect.js";
import type { GrantRecord } from "../../grants/record.js";
import { selectGrants, shortfallOf } from "../../grants/select.js";
import { type Io, line } from "../../io.js";
import type { LoggedCommand } from "../../log/entry.js";
import type { RunLog } from "../../log/write.js";
import { grouped, printable } from "../../terminal.js";
import type { Plan } from "./plan.js";

/** What a run's end is looked at with. */
export interface EffectContext extends Viewer {
  readonly plan: Plan;
  readonly identity: Identity;
  readonly protocol: string;
  readonly log: RunLog | undefined;
}

/** What ZITADEL shows after a run. */
export interface Effect {
  readonly looked: number;
  readonly inEffect: number;
  /** Grants that still give roles. */
  readonly active: readonly GrantRecord[];
  /** Removed grants that are still shown, but give no roles. */
  readonly inactive: readonly GrantRecord[];
  /** Whether all could be looked at. */
  readonly complete: boolean;
}

const mostListed = 20;

/**
 * Looks whether the access has ended: at what ZITADEL shows of the grants that it has confirmed, which is what
 * it builds tokens from. Undefined, after reporting the reason, when it cannot be looked at.
 */
export async function checkEffect(
  grantIds: readonly string[],
  context: EffectContext,
): Promise<Effect | undefined> {
  const { plan, log } = context;
  const active: GrantRecord[] = [];
  const inactive: GrantRecord[] = [];
  const { command } = plan;
  const looked = await viewEffect(
    grantIds,
    {
      isAwaited: (_, record) => hasNoEffect(command, record),
      onShown(_, record) {
        if (record !== undefined && !hasNoEffect(command, record)) {
          (record.state === "active" ? active : inactive).push(record);
        }
      },
    },
    context,
  );
  if (looked === undefined) {
    return undefined;
  }
  const inEffect = looked - active.length - inactive.length;
  log?.effect({
    ...{ looked, inEffect },
    others: [...active, ...inactive].map(({ grantId, state }) => ({ grantId, shows: state })),
  });
  return { looked, inEffect, active, inactive, complete: looked === grantIds.length };
}

function hasNoEffect(command: LoggedCommand, record: GrantRecord | undefined): boolean {
  return record === undefined || (command === "deactivate" && record.state !== "active");
}

/** Lists what still gives roles, and what to do about it. */
export function reportEffect(
  { looked, inEffect, active, inactive, complete }: Effect,
  { plan, log, io }: EffectContext,
): void {
  if (!complete) {
    line(io.stderr, `Stopped: only ${grouped(looked)} were looked at.`);
  }
  listGrants(active, "still gives roles", io);
  listGrants(inactive, "is still shown, and gives no roles", io);
  if (active.length + inactive.length === 0) {
    return;
  }
  line(
    io.stderr,
    `${grouped(looked - inEffect)} of ${grouped(looked)} are confirmed by the server and not in effect: releases of ZITADEL before the fix of September 2026 can lose an event for ever.`,
  );
  if (plan.command === "remove") {
    line(
      io.stderr,
      "A client cannot repair a removal. The operator can: update ZITADEL, and rebuild the projection of user grants; until then, deactivate the user, or remove the role from the project.",
    );
  } else if (log !== undefined) {
    line(io.stderr, "--repair deactivates them again, which gives access back for a moment.");
  }
}

/** Searches for what the run was for once more. Returns whether nothing matches any more. */
export async function searchAgain(
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
    line(io.stderr, printable(`${grantId} ${what} (${whose})`));
  }
  if (records.length > mostListed) {
    line(io.stderr, `and ${grouped(records.length - mostListed)} more ${what}`);
  }
}
