import { ConnectError } from "@connectrpc/connect";
import { explain } from "../../explain.js";
import { type Expected, type Look, look, type Seen } from "../../grants/effect.js";
import { type GrantRecord, isForeign } from "../../grants/record.js";
import { selectGrants, shortfallOf } from "../../grants/select.js";
import { line, UsageError } from "../../io.js";
import type { LoggedCommand, Selectors } from "../../log/entry.js";
import { counted, firstOf, grouped, paint, printable, quoted } from "../../terminal.js";
import type { Context } from "./context.js";
import { judge, repair } from "./repair.js";

/** What a command has done, by the responses of the server. */
interface Ending {
  readonly command: LoggedCommand | "restore";
  /** The path of the log, if there is one. */
  readonly path?: string | undefined;
  /** Whether what a repair can mend is mended. */
  readonly repairs?: boolean | undefined;
}

interface RunEnding extends Ending {
  /** What must be shown of each grant. */
  readonly expected: ReadonlyMap<string, Expected>;
  /** How many of them the server has changed as it should. */
  readonly confirmed: number;
  /** What it was for, if not for given ids: the same is searched for again. */
  readonly selectors?: Selectors | undefined;
  readonly isUnchecked: boolean | undefined;
}

/**
 * Looks whether what a run or a restore has done is in effect: lists what is not, and `settle`s it. Returns whether
 * all is in effect.
 */
export async function isInEffect(ending: RunEnding, context: Context): Promise<boolean> {
  const { command, expected, confirmed, selectors, isUnchecked } = ending;
  if (isUnchecked) {
    context.say("Whether it is in effect was not looked at (--no-check).");
    return true;
  }
  const seen = await look(expected, context);
  if (seen === undefined) {
    return false;
  }
  const { looked, others } = seen;
  const shown = [...others].map(([grantId, record]) => `${grantId} ${effectOf(record, context)}`);
  listDanger(shown, context);
  const isClear =
    selectors === undefined || (await isNothingLeft(selectors, command, others, context));
  const inEffect = `${grouped(looked - others.size)} of ${grouped(looked)}`;
  if (!context.quiet || others.size > 0 || !isClear) {
    const text = `${grouped(confirmed)} confirmed by the server; in effect: ${inEffect}.`;
    line(context.io.stderr, text);
  }
  return (await settle(seen, ending, context)) && isClear;
}

const effects = {
  active: "still gives roles",
  inactive: "is shown as inactive, and gives no roles",
  unknown: "is still shown",
} as const;

function effectOf(record: Seen, { identity }: Context): string {
  if (record === undefined) {
    return "is not shown";
  }
  const what = isForeign(record, identity)
    ? "is of another organization, which this run cannot change"
    : effects[record.state];
  return `${what} (${whose(record)})`;
}

/**
 * Records what ZITADEL shows, and repairs what is not in effect, or says what can be done about it. Returns whether
 * all is in effect now.
 */
export async function settle(
  { looked, others }: Look,
  { command, path, repairs }: Ending,
  context: Context,
): Promise<boolean> {
  const { log, identity, io } = context;
  if (command !== "restore") {
    const shown = [...others].map(([grantId, record]) => {
      return { grantId, shows: record?.state ?? "none" };
    });
    log?.note({ effect: { looked, inEffect: looked - others.size, others: shown } });
  }
  const own = [...others.values()].filter((record) => !isForeign(record, identity));
  const active = own.flatMap((record) => (record?.state === "active" ? [record] : []));
  // Nothing but a reactivation after the run explains a newer state, and a removed grant has none.
  const { skipped, changed } =
    command === "deactivate" ? await judge(active, path) : { skipped: [], changed: [] };
  const newer =
    "was changed again since this run: it is left alone. Deactivate it to end its access.";
  listDanger(
    changed.map(({ grantId }) => `${grantId} ${newer}`),
    context,
  );
  if (repairs && skipped.length > 0) {
    return (await repair(skipped, looked, context)) && skipped.length === others.size;
  }
  const lost = own.length - changed.length;
  if (lost > 0) {
    line(
      io.stderr,
      `${grouped(lost)} of ${counted(looked, "grant")} are confirmed by the server and not in effect: releases of ZITADEL before the fix of September 2026 can lose an event for ever. Tokens have what is shown.`,
    );
    line(io.stderr, adviceOn(command, skipped.length > 0, path));
  }
  return others.size === 0;
}

function adviceOn(command: Ending["command"], isRepairable: boolean, path?: string): string {
  if (isRepairable) {
    return path === undefined
      ? "Run it again with a log: a repair needs it."
      : `Repair, which gives access back for a moment: zitadel-user-grants verify --repair ${quoted(path)}`;
  }
  const more =
    command === "restore"
      ? " That is, unless somebody has changed them since."
      : " Until then, deactivate the user, or remove the role from the project.";
  return `A client cannot repair that. The operator can: update ZITADEL to a release with the fix, and rebuild the projection of user grants.${more}`;
}

/** Says what it can mean that grants were not found: nothing is known of them. */
export function explainMissing(expected: ReadonlyMap<string, Expected>, { say }: Context): void {
  const count = [...expected.values()].filter((state) => state === "missing").length;
  if (count > 0) {
    say(
      `${grouped(count)} ${count === 1 ? "was" : "were"} not found by the run: gone before, never there, or of another organization than the one above, which looks the same from here.`,
    );
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
async function isNothingLeft(
  selectors: Selectors,
  command: Ending["command"],
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
    if (!(reason instanceof ConnectError || reason instanceof UsageError)) {
      throw reason;
    }
    // A name may fit several projects by now, which is no wrong usage any more.
    problem = reason instanceof UsageError ? reason.message : explain(reason, "read");
  }
  listDanger(left, context);
  if (problem !== undefined) {
    line(io.stderr, `What is left could not be read to the end: ${problem}`);
  }
  return left.length === 0 && problem === undefined;
}
