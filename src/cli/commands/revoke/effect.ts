import { ConnectError } from "@connectrpc/connect";
import { explain } from "../../explain.js";
import type { Look, Seen } from "../../grants/effect.js";
import type { GrantRecord } from "../../grants/record.js";
import { selectGrants, shortfallOf } from "../../grants/select.js";
import { line } from "../../io.js";
import type { LoggedCommand, Selectors } from "../../log/entry.js";
import { counted, firstOf, grouped, paint, printable, quoted } from "../../terminal.js";
import type { Context } from "./context.js";

/** Records in the log what ZITADEL shows. */
export function logEffect({ looked, others }: Look, { log }: Context): void {
  const shown = [...others].map(([grantId, record]) => {
    return { grantId, shows: record?.state ?? "none" };
  });
  log?.note({ effect: { looked, inEffect: looked - others.size, others: shown } });
}

const effects = {
  active: "still gives roles",
  inactive: "is shown as inactive, and gives no roles",
  unknown: "is still shown",
} as const;

function isForeign(record: Seen, { identity }: Context): boolean {
  const { orgId } = identity;
  return record?.orgId !== undefined && orgId !== null && record.orgId !== orgId;
}

/** Lists the grants that are not in effect. */
export function listOthers({ others }: Look, context: Context): void {
  const texts = [...others].map(([grantId, record]) => {
    if (record === undefined) {
      return `${grantId} is not shown`;
    }
    const what = isForeign(record, context)
      ? "is of another organization, which this run cannot change"
      : effects[record.state];
    return `${grantId} ${what} (${whose(record)})`;
  });
  listDanger(texts, context);
}

/** Says what can be done about them. @param log the path of the log, if there is one. */
export function adviseOnOthers(
  { looked, others }: Look,
  command: LoggedCommand | "restore",
  log: string | undefined,
  context: Context,
): void {
  const { stderr } = context.io;
  const own = [...others.values()].filter((record) => !isForeign(record, context));
  if (own.length === 0) {
    return;
  }
  line(
    stderr,
    `${grouped(own.length)} of ${counted(looked, "grant")} are confirmed by the server and not in effect: releases of ZITADEL before the fix of September 2026 can lose an event for ever. Tokens have what is shown.`,
  );
  const isRepairable = command === "deactivate" && own.some((record) => record?.state === "active");
  if (!isRepairable) {
    const meanwhile =
      command === "restore"
        ? ""
        : " Until then, deactivate the user, or remove the role from the project.";
    line(
      stderr,
      `A client cannot repair that. The operator can: update ZITADEL to a release with the fix, and rebuild the projection of user grants.${meanwhile}`,
    );
  } else if (log === undefined) {
    line(stderr, "Run it again with a log: a repair needs it.");
  } else {
    const repair = `zitadel-user-grants verify --repair ${quoted(log)}`;
    line(stderr, `Repair, which gives access back for a moment: ${repair}`);
  }
}

function whose({ displayName, userId, projectName, projectId }: GrantRecord): string {
  return `${displayName ?? userId}, ${projectName ?? projectId}`;
}

function listDanger(texts: readonly string[], { io }: Context): void {
  for (const text of firstOf(texts, 20)) {
    line(io.stderr, paint(io.stderr, "danger", printable(text)));
  }
}

/** Searches again for what the run was for. Returns whether nothing matches any more but what is known. */
export async function isNothingLeft(
  selectors: Selectors,
  command: LoggedCommand,
  known: ReadonlyMap<string, Seen>,
  context: Context,
): Promise<boolean> {
  const { reader, identity, connection, io } = context;
  const left: string[] = [];
  let problem: string | undefined;
  try {
    const selection = selectGrants(reader, selectors, identity.orgId);
    let next = await selection.next();
    for (; !next.done; next = await selection.next()) {
      const { grantId, state } = next.value;
      if (!known.has(grantId) && (command === "remove" || state === "active")) {
        left.push(`${grantId} matches what was selected, and is there (${whose(next.value)})`);
      }
    }
    problem = shortfallOf(next.value, connection.protocol);
  } catch (reason) {
    if (!(reason instanceof ConnectError)) {
      throw reason;
    }
    problem = explain(reason, "read");
  }
  listDanger(left, context);
  if (problem !== undefined) {
    line(io.stderr, `What is left could not be read to the end: ${problem}`);
  }
  return left.length === 0 && problem === undefined;
}
