import type { Outcome } from "../../bulk/index.js";
import { describeError } from "../../index.js";

/** The identification of a log in its first line. */
export const logFormat = { log: "zitadel-user-grants", version: 1 } as const;

export type LoggedCommand = "remove" | "deactivate";

/** What was selected: see the flags of the same names. */
export interface Selectors {
  readonly users: readonly string[];
  /** From a file of users: either these or `users`. */
  readonly userEmails: readonly string[];
  readonly emails: readonly string[];
  readonly loginNames: readonly string[];
  readonly projects: readonly string[];
  readonly roles: readonly string[];
  readonly state?: "active" | "inactive" | undefined;
  readonly userType?: "human" | "machine" | undefined;
  readonly createdBeforeMs?: number | undefined;
  readonly changedBeforeMs?: number | undefined;
}

/** What a run does and who runs it. Only the same command and account can resume a log. */
export interface LogHead {
  readonly command: LoggedCommand;
  readonly url: string;
  readonly instanceHost?: string | undefined;
  readonly protocol?: string | undefined;
  /** The organization of the calls; null if the account may not see it. */
  readonly orgId: string | null;
  readonly orgName?: string | undefined;
  /** Whether `--org` named it; otherwise it is the account's own. */
  readonly orgGiven: boolean;
  readonly accountId: string;
  readonly accountName?: string | undefined;
  /** The limit that was given, in requests a second: a resumed run keeps it. */
  readonly rate?: number | undefined;
  /** What was selected: after the run the same search is made again. */
  readonly selectors?: Selectors | undefined;
}

/** What the server says about the last change of a grant, by which a later row of a search is recognized. */
export interface Change {
  /** The number of the grant's last event, as decimal digits. */
  readonly sequence?: string | undefined;
  /** RFC 3339. */
  readonly changeDate?: string | undefined;
}

/** The state of a grant that is needed to restore it. */
export interface RecordedState extends Change {
  readonly state: "active" | "inactive" | "unknown";
  readonly roleKeys: readonly string[];
  readonly projectId: string;
  /** Set if another organization grants the project. */
  readonly projectGrantId: string | undefined;
}

/** A grant of a run, and its state before the run, if known. */
export interface LoggedGrant {
  readonly grantId: string;
  readonly userId?: string | undefined;
  readonly recorded?: RecordedState | undefined;
  /** For display. */
  readonly userName?: string | undefined;
  readonly displayName?: string | undefined;
  readonly email?: string | undefined;
  readonly projectName?: string | undefined;
}

/** An outcome, as written to logs and shown by `--json`. */
export interface LoggedOutcome {
  readonly grantId: string;
  readonly status: string;
  readonly answerLost?: true;
  readonly error?: {
    readonly code: number;
    readonly id?: string;
    readonly message: string;
    readonly requestId?: string;
  };
}

/**
 * A line of a log. `answer` records that the response to a request arrived, so that its ids are not in doubt:
 * with `ok` all of them are done, whether or not their outcomes are written. Numbers of requests are unique
 * in the whole log.
 */
export type Entry =
  | typeof logFormat
  | ({ readonly run: "started" | "resumed"; readonly at: string } & LogHead)
  | { readonly run: "ended"; readonly at: string; readonly because: string }
  | { readonly grants: readonly (string | LoggedGrant)[] }
  | { readonly request: string; readonly ids: readonly string[] }
  | ({
      readonly answer: string;
      readonly ok: boolean;
      readonly at?: string;
      readonly requestId?: string;
    } & Change)
  | OutcomeEntry
  | RestoreEntry
  | RepairEntry
  | EffectEntry;

export type OutcomeEntry = LoggedOutcome & { readonly at?: string };

/** A step of a repair: a grant is reactivated and deactivated again. An open response may still be applied. */
export type RepairEntry =
  | {
      readonly repair: string;
      readonly at: string;
      readonly do: RepairStep;
      readonly grantId: string;
    }
  | ({
      readonly repairResponse: string;
      readonly ok: boolean;
      readonly at: string;
    } & Change);

export type RepairStep = "reactivate" | "deactivate";

/** A look at what ZITADEL shows after a run: how many grants give no roles, and those that do or may. */
export interface EffectEntry {
  readonly effect: {
    readonly looked: number;
    readonly inEffect: number;
    readonly others: readonly { readonly grantId: string; readonly shows: string }[];
  };
  readonly at: string;
}

/** What a restore writes into the log of the run that it undoes. */
export type RestoreEntry =
  | {
      readonly restore: "started";
      readonly at: string;
      readonly accountId: string;
      readonly accountName?: string | undefined;
    }
  | { readonly restore: "ended"; readonly at: string; readonly because: string }
  /** A step that is about to be sent. */
  | {
      readonly step: string;
      readonly at?: string;
      readonly do: RestoreStep;
      readonly grantId: string;
    }
  /** The response to a step, with the id of the grant that it added. */
  | {
      readonly stepResponse: string;
      readonly ok: boolean;
      readonly at?: string;
      readonly newGrantId?: string;
    }
  | RestoreOutcome;

export type RestoreStep = "add" | "deactivate" | "reactivate";

/** A step that was about to be sent, and whose response is unknown. */
export interface SentStep {
  readonly number: string;
  /** The time, in milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** The outcome of a grant in a restore. */
export interface RestoreOutcome {
  readonly grantId: string;
  /**
   * - `restored`: a new grant replaces the removed one.
   * - `reactivated`: the grant is active again.
   * - `already-there`: a grant with the same user, project, roles and state exists.
   * - `left-active`: the grant was inactive before the run, and the new one could not be deactivated.
   * - `failed`: its earlier state is not restored; `error` has the reason.
   */
  readonly restored: "restored" | "reactivated" | "already-there" | "left-active" | "failed";
  readonly newGrantId?: string;
  /** Its current state. */
  readonly state?: "active" | "inactive";
  readonly answerLost?: true;
  readonly error?: LoggedOutcome["error"];
  readonly at?: string;
}

/** @throws Error unless the line is a valid line of a log. */
export function parseEntry(text: string): Entry {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) {
    throw new Error("not an object");
  }
  const entry = value as Record<string, unknown>;
  const valid =
    "log" in entry
      ? entry.log === logFormat.log && entry.version === logFormat.version
      : "run" in entry
        ? typeof entry.at === "string" && (entry.run === "ended" || isHead(entry))
        : "grants" in entry
          ? Array.isArray(entry.grants) && entry.grants.every(isGrant)
          : "request" in entry
            ? typeof entry.request === "string" && isStrings(entry.ids)
            : "answer" in entry
              ? typeof entry.answer === "string" && typeof entry.ok === "boolean"
              : (typeof entry.grantId === "string" && typeof entry.status === "string") ||
                isRepairOrEffect(entry) ||
                isRestoreEntry(entry);
  if (!valid) {
    throw new Error("an unknown entry");
  }
  return value as Entry;
}

/** An outcome, as written to logs and shown by `--json`. */
export function toLogged({ grantId, status, answerLost, error }: Outcome<string>): LoggedOutcome {
  const lost = answerLost ? { answerLost } : {};
  if (error === undefined) {
    return { grantId, status, ...lost };
  }
  return { grantId, status, ...lost, error: describedError(error) };
}

/** An error, as written to logs and shown by `--json`. */
export function describedError(error: unknown): NonNullable<LoggedOutcome["error"]> {
  const { code, id, message, requestId } = describeError(error);
  return {
    code,
    ...(id === undefined ? {} : { id }),
    message,
    ...(requestId === undefined ? {} : { requestId }),
  };
}

function isHead(entry: Record<string, unknown>): boolean {
  return (
    (entry.run === "started" || entry.run === "resumed") &&
    ["remove", "deactivate"].includes(String(entry.command)) &&
    typeof entry.url === "string" &&
    (entry.orgId === null || typeof entry.orgId === "string") &&
    typeof entry.orgGiven === "boolean" &&
    typeof entry.accountId === "string"
  );
}

function isRepairOrEffect(entry: Record<string, unknown>): boolean {
  const { repair, repairResponse, effect } = entry;
  return (
    (typeof repair === "string" && typeof entry.grantId === "string") ||
    (typeof repairResponse === "string" && typeof entry.ok === "boolean") ||
    (typeof effect === "object" &&
      effect !== null &&
      "others" in effect &&
      Array.isArray(effect.others) &&
      effect.others.every((other) => typeof other?.grantId === "string"))
  );
}

function isRestoreEntry(entry: Record<string, unknown>): boolean {
  return "restore" in entry
    ? typeof entry.at === "string"
    : "step" in entry
      ? typeof entry.step === "string" && typeof entry.grantId === "string"
      : "stepResponse" in entry
        ? typeof entry.stepResponse === "string" && typeof entry.ok === "boolean"
        : typeof entry.grantId === "string" && typeof entry.restored === "string";
}

function isGrant(value: unknown): boolean {
  return (
    typeof value === "string" ||
    (typeof value === "object" &&
      value !== null &&
      "grantId" in value &&
      typeof value.grantId === "string" &&
      (!("userId" in value) || typeof value.userId === "string") &&
      (!("recorded" in value) || isState(value.recorded)))
  );
}

function isState(value: unknown): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { state, roleKeys, projectId, projectGrantId } = value as Record<string, unknown>;
  return (
    typeof state === "string" &&
    isStrings(roleKeys) &&
    typeof projectId === "string" &&
    (projectGrantId === undefined || typeof projectGrantId === "string")
  );
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
