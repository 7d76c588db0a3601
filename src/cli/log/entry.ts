import { toJson } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Outcome } from "../../bulk/index.js";
import { describeError } from "../../index.js";

/** The identification of a log in its first line. */
export const logFormat = { log: "zitadel-user-grants", version: 1 } as const;

/** The commands that have a log, and the status of what they have done. */
export const doneStatus = { remove: "removed", deactivate: "deactivated" } as const;
export type LoggedCommand = keyof typeof doneStatus;

/** What was selected: see the flags of the same names. */
export interface Selectors {
  /** Ids, or email addresses. */
  readonly users: readonly string[];
  readonly emails: readonly string[];
  readonly projects: readonly string[];
  readonly roles: readonly string[];
  readonly state?: "active" | "inactive" | undefined;
  readonly userType?: "human" | "machine" | undefined;
}

/** What a run does and who runs it. Only the same command and account can resume a log. */
export interface LogHead {
  readonly command: LoggedCommand;
  readonly url: string;
  readonly instanceHost?: string | undefined;
  readonly protocol?: string | undefined;
  /** The organization of the calls; empty where a log of version 0.1.0 does not name it. */
  readonly orgId: string;
  readonly orgName?: string | undefined;
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
  readonly answerLost?: true | undefined;
  readonly error?:
    | {
        readonly code: number;
        readonly id?: string | undefined;
        readonly message: string;
        readonly requestId?: string | undefined;
      }
    | undefined;
}

/**
 * A line of a log. `answer` records that the response to a request arrived, so that its ids are not in doubt:
 * with `ok` all of them are done, whether or not their outcomes are written. Numbers of requests are unique
 * in the whole log.
 */
export type Entry =
  | typeof logFormat
  | Begin
  | { readonly run: "ended"; readonly at: string; readonly because: string }
  | { readonly grants: readonly LoggedGrant[] }
  | { readonly request: string; readonly ids: readonly string[] }
  | Note
  | StepEntry
  // As version 0.1.0 has written restores.
  | ({ readonly restore: "started" } & Pick<Begin, "at" | "accountId" | "accountName">)
  | { readonly restore: "ended"; readonly at: string; readonly because: string };

/** The run begins, is resumed (as well by a repair), or restored. */
export type Begin = {
  readonly run: "started" | "resumed" | "restored";
  readonly at: string;
} & LogHead;

/** What has happened. */
export type Note = { readonly at?: string } & (
  | ({
      readonly answer: string;
      readonly ok: boolean;
      readonly requestId?: string | undefined;
    } & Change)
  | LoggedOutcome
  | ({
      readonly stepResponse: string;
      readonly ok: boolean;
      /** The grant that a restore has added. */
      readonly newGrantId?: string;
    } & Change)
  | RestoreOutcome
  | { readonly effect: Effect }
);

/** A step of a restore or a repair that is about to be sent. Without a response, it may still be applied. */
export interface StepEntry {
  readonly step: string;
  readonly at?: string;
  readonly do: Step;
  readonly grantId: string;
}

export type Step = "add" | "deactivate" | "reactivate";

/** What ZITADEL shows after a run: how many grants give no roles, and those that do or may. */
export interface Effect {
  readonly looked: number;
  readonly inEffect: number;
  readonly others: readonly { readonly grantId: string; readonly shows: string }[];
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

const texts = [
  ...["run", "at", "because", "url", "instanceHost", "protocol", "orgId", "orgName", "accountId"],
  ...["accountName", "request", "answer", "step", "stepResponse", "do", "restore", "shows"],
  ...["grantId", "userId", "userName", "displayName", "email", "projectId", "projectName"],
  ...["projectGrantId", "newGrantId", "status", "state", "userType", "restored", "changeDate"],
  ...["id", "message", "requestId", "sequence"],
];

/** What a field holds, wherever it stands: an object at least these fields. Logs of other releases may have more. */
const samples: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(texts.map((name) => [name, ""])),
  ...{ rate: 0, code: 0, looked: 0, inEffect: 0, ok: true, repair: true, answerLost: true },
  ...{ ids: [""], roleKeys: [""], users: [""], emails: [""], projects: [""], roles: [""] },
  ...{ grants: [{ grantId: "" }], others: [{ grantId: "", shows: "" }] },
  recorded: { state: "", roleKeys: [""], projectId: "" },
  error: { code: 0, message: "" },
  effect: { looked: 0, inEffect: 0, others: [] },
  selectors: { users: [""], emails: [""], projects: [""], roles: [""] },
};

function isLike(sample: unknown, value: unknown): boolean {
  if (Array.isArray(sample)) {
    return Array.isArray(value) && value.every((item) => isLike(sample[0], item));
  }
  if (typeof sample === "object" && sample !== null) {
    return (
      typeof value === "object" &&
      value !== null &&
      Object.keys(sample).every((name) => Object.hasOwn(value, name)) &&
      Object.entries(value).every(([name, field]) => isLike(samples[name], field))
    );
  }
  return sample === undefined || typeof value === typeof sample;
}

/** @throws Error for what is not a line of a log: it was damaged, or edited by hand. */
export function readEntry(text: string): Entry {
  const entry = JSON.parse(text);
  if (Array.isArray(entry.grants)) {
    // Version 0.1.0 has written grants of which it knew nothing as texts.
    entry.grants = entry.grants.map((grant: unknown) =>
      typeof grant === "string" ? { grantId: grant } : grant,
    );
  }
  const isHead = Object.hasOwn(entry, "run") && Object.hasOwn(entry, "accountId");
  if (isHead) {
    entry.orgId ??= "";
  }
  const isKnown = !isHead || Object.hasOwn(doneStatus, entry.command);
  if (!isKnown || !isLike(isHead ? { at: "", url: "" } : {}, entry)) {
    throw new Error("not an entry");
  }
  return entry;
}

/** An outcome, as written to logs and shown by `--json`. */
export function toLogged({ grantId, status, answerLost, error }: Outcome<string>): LoggedOutcome {
  return { grantId, status, answerLost, error: error && describedError(error) };
}

/** An error, as written to logs and shown by `--json`. */
export function describedError(error: unknown): NonNullable<LoggedOutcome["error"]> {
  const { code, id, message, requestId } = describeError(error);
  return { code, id, message, requestId };
}

/** The last change of a grant, from the details of the response that made it. */
export function changeOf(response: {
  readonly details?:
    | { readonly sequence: bigint; readonly changeDate?: Timestamp | undefined }
    | undefined;
}): Change {
  const { sequence, changeDate } = response.details ?? {};
  return { sequence: sequence ? String(sequence) : undefined, changeDate: dateOf(changeDate) };
}

/** RFC 3339 with all digits of the server, which a Date does not have. */
export function dateOf(timestamp: Timestamp | undefined): string | undefined {
  return timestamp && toJson(TimestampSchema, timestamp);
}
