import { isRecord, toGrantRecord } from "../grant-record.js";
import type { LoggedGrant } from "../log/entry.js";
import { grantIdProblem, show, userIdProblem } from "./ids.js";

/** The content of a line: a grant, or why it is not one. */
export type Reading = LoggedGrant | string;

/** Where ids are, if not under their usual names. */
export interface ColumnNames {
  readonly column?: string | undefined;
  readonly userColumn?: string | undefined;
}

/** What the input contains about a grant in addition to its ids: any of it may be missing or wrong. */
export type Known = Readonly<Record<string, unknown>>;

/**
 * Validates a grant that was read.
 *
 * @param withUser whether a grant must have a user.
 */
export function toGrant(
  userId: unknown,
  grantId: unknown,
  withUser: boolean,
  known: Known = {},
): Reading {
  if (typeof grantId === "number") {
    return "the grant id is a number: write ids as strings, JSON numbers lose digits";
  }
  const problem = typeof grantId === "string" ? grantIdProblem(grantId) : "it is missing";
  if (problem !== undefined) {
    return `not a grant id: ${show(grantId)} (${problem})`;
  }
  if (typeof userId === "number" && withUser) {
    return "the user id is a number: write ids as strings, JSON numbers lose digits";
  }
  const userProblem = typeof userId === "string" ? userIdProblem(userId) : "it is missing";
  if (userProblem !== undefined && withUser) {
    return `not a user id: ${show(userId)} (${userProblem})`;
  }
  const ids = { grantId: String(grantId), userId: userProblem ? undefined : String(userId) };
  return { ...ids, ...checkKnown(known) };
}

/** The state is used only as a whole: half of a state could not be restored. */
function checkKnown(known: Known): Partial<LoggedGrant> {
  const { state, roleKeys } = known;
  const projectId = text(known.projectId);
  if ((state !== "active" && state !== "inactive") || !projectId || !Array.isArray(roleKeys)) {
    return {};
  }
  const projectGrantId = text(known.projectGrantId);
  return {
    recorded: { state, roleKeys: roleKeys.map(String), projectId, projectGrantId },
    userName: text(known.userName),
    displayName: text(known.displayName),
    email: text(known.email),
    projectName: text(known.projectName),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The grants in JSON: ids, objects with ids, responses of ZITADEL, or what `list` writes. */
export function fromJson(raw: string, withUser: boolean, names: ColumnNames): Reading[] {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return [`no JSON: ${show(raw)}`];
  }
  return fromValue(value, withUser, names);
}

function fromValue(value: unknown, withUser: boolean, names: ColumnNames): Reading[] {
  if (Array.isArray(value)) {
    return value.flatMap((element) => fromValue(element, withUser, names));
  }
  if (!isRecord(value)) {
    return [
      withUser
        ? `an object with userId and grantId is needed; got ${show(value)}`
        : toGrant(undefined, value, false),
    ];
  }
  if (Array.isArray(value.result)) {
    return fromValue(value.result, withUser, names);
  }
  if (isRecord(value.userGrant)) {
    return fromValue(value.userGrant, withUser, names);
  }
  if (isRecord(value.details) && Object.keys(value).length === 1) {
    // A search without results.
    return [];
  }
  if (names.column === undefined && value.grantId === undefined && "roleKeys" in value) {
    // In ZITADEL's own form of a grant, the id is called id.
    const record = toGrantRecord(value);
    if (record !== undefined) {
      return [toGrant(record.userId, record.grantId, withUser, { ...record })];
    }
  }
  const userId = value[names.userColumn ?? (value.userId === undefined ? "user_id" : "userId")];
  const grantId = value[names.column ?? (value.grantId === undefined ? "grant_id" : "grantId")];
  return [toGrant(userId, grantId, withUser, value)];
}
