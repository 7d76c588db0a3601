import type { LoggedGrant } from "../log/entry.js";

export type GrantState = "active" | "inactive" | "unknown";
export type UserType = "human" | "machine" | "unknown";

/** Everything that a search returns about a grant. Missing fields are undefined. */
export interface GrantRecord {
  readonly grantId: string;
  readonly state: GrantState;
  readonly roleKeys: readonly string[];
  readonly userId: string;
  readonly userName: string | undefined;
  readonly preferredLoginName: string | undefined;
  readonly displayName: string | undefined;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly email: string | undefined;
  readonly userType: UserType;
  readonly projectId: string;
  readonly projectName: string | undefined;
  /** Set if the project is granted by another organization. */
  readonly projectGrantId: string | undefined;
  readonly orgId: string | undefined;
  readonly orgName: string | undefined;
  readonly orgDomain: string | undefined;
  readonly grantedOrgId: string | undefined;
  readonly grantedOrgName: string | undefined;
  readonly grantedOrgDomain: string | undefined;
  /** RFC 3339, as the server writes it. */
  readonly creationDate: string | undefined;
  readonly changeDate: string | undefined;
  readonly sequence: string | undefined;
  readonly resourceOwner: string | undefined;
}

const states: Readonly<Record<string, GrantState>> = {
  USER_GRANT_STATE_ACTIVE: "active",
  USER_GRANT_STATE_INACTIVE: "inactive",
};
const userTypes: Readonly<Record<string, UserType>> = {
  TYPE_HUMAN: "human",
  TYPE_MACHINE: "machine",
};

/** Reads a user grant from ZITADEL's JSON. Undefined if it is not a user grant. */
export function toGrantRecord(json: unknown): GrantRecord | undefined {
  if (!isRecord(json)) {
    return undefined;
  }
  const details = isRecord(json.details) ? json.details : {};
  const grantId = text(json.id);
  if (grantId === undefined) {
    return undefined;
  }
  return {
    grantId,
    state: states[String(json.state)] ?? "unknown",
    roleKeys: Array.isArray(json.roleKeys) ? json.roleKeys.map(String) : [],
    userId: text(json.userId) ?? "",
    userName: text(json.userName),
    preferredLoginName: text(json.preferredLoginName),
    displayName: text(json.displayName),
    firstName: text(json.firstName),
    lastName: text(json.lastName),
    email: text(json.email),
    userType: userTypes[String(json.userType)] ?? "unknown",
    projectId: text(json.projectId) ?? "",
    projectName: text(json.projectName),
    projectGrantId: text(json.projectGrantId),
    orgId: text(json.orgId),
    orgName: text(json.orgName),
    orgDomain: text(json.orgDomain),
    grantedOrgId: text(json.grantedOrgId),
    grantedOrgName: text(json.grantedOrgName),
    grantedOrgDomain: text(json.grantedOrgDomain),
    creationDate: text(details.creationDate),
    changeDate: text(details.changeDate),
    sequence: text(details.sequence),
    resourceOwner: text(details.resourceOwner),
  };
}

/** The part of it that the log of a run keeps. */
export function toLoggedGrant(record: GrantRecord): LoggedGrant {
  const { grantId, userId, userName, displayName, email, projectName } = record;
  const { state, roleKeys, projectId, projectGrantId } = record;
  return {
    ...{ grantId, userId, userName, displayName, email, projectName },
    recorded: { state, roleKeys, projectId, projectGrantId },
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A user, for display: name and address, or whichever is known. */
export function personOf(
  grant: {
    readonly [Name in "displayName" | "email" | "preferredLoginName" | "userName" | "userId"]?:
      | string
      | undefined;
  },
): string {
  const { displayName, email, preferredLoginName, userName, userId } = grant;
  const name = displayName ?? preferredLoginName ?? userName ?? userId ?? "";
  const address = email ?? preferredLoginName;
  return address === undefined || address === name ? name : `${name} <${address}>`;
}

/** The separator of roles in a cell. ZITADEL's role keys may contain spaces and commas. */
export const roleSeparator = "\n";

/**
 * Text that a spreadsheet would take for a formula: an apostrophe is put before it. So is one before a text that
 * begins with an apostrophe and such a character itself, so that reading gives the same text again.
 */
export const formulaStart = /^'*[=+\-@\t\r]/;
