import { type Authorization, State } from "../../../gen/tool/authorization_pb.js";
import { Type, type UserGrant } from "../../../gen/tool/user_pb.js";
import { type Change, dateOf, type LoggedGrant } from "../log/entry.js";

export type GrantState = "active" | "inactive" | "unknown";
export type UserType = "human" | "machine" | "unknown";

/** Texts that a search returns, where it knows them. */
const texts = [
  ...(["projectName", "projectGrantId", "displayName", "email", "preferredLoginName"] as const),
  ...(["userName", "firstName", "lastName", "orgId", "orgName", "orgDomain"] as const),
  ...(["grantedOrgId", "grantedOrgName", "grantedOrgDomain"] as const),
] as const;

/** What ZITADEL shows of a grant. */
export interface GrantRecord
  extends Change,
    Readonly<Partial<Record<(typeof texts)[number], string | undefined>>> {
  readonly grantId: string;
  readonly userId: string;
  readonly state: GrantState;
  readonly roleKeys: readonly string[];
  readonly projectId: string;
  readonly userType: UserType;
  /** RFC 3339, with all digits of the server. */
  readonly creationDate?: string | undefined;
  readonly resourceOwner?: string | undefined;
}

/** The columns of a CSV with everything about a grant. */
export const grantColumns = [
  ...(["grantId", "userId", "state", "roleKeys", "projectId", "userType"] as const),
  ...texts,
  ...(["creationDate", "changeDate", "sequence", "resourceOwner"] as const),
] as const satisfies readonly (keyof GrantRecord)[];

const states = ["unknown", "active", "inactive"] as const;

/**
 * An object of a class, and no literal, as `Numbered` is: with literals, reading 200,000 grants left 629 MB of
 * garbage in V8's old space, and with these 163.
 */
class Row {}

export function fromUserGrant(grant: UserGrant): GrantRecord {
  const { id, userId, state, roleKeys, projectId, userType, details } = grant;
  const record = rowOf({
    ...{ grantId: id, userId, state: states[state] ?? "unknown", roleKeys, projectId },
    userType: userType === Type.HUMAN ? "human" : userType === Type.MACHINE ? "machine" : "unknown",
    creationDate: dateOf(details?.creationDate),
    changeDate: dateOf(details?.changeDate),
  });
  if (details?.sequence) {
    record.sequence = String(details.sequence);
  }
  if (details?.resourceOwner) {
    record.resourceOwner = details.resourceOwner;
  }
  for (const name of texts) {
    if (grant[name] !== "") {
      record[name] = grant[name];
    }
  }
  return record;
}

function rowOf(values: GrantRecord): { -readonly [Name in keyof GrantRecord]: GrantRecord[Name] } {
  return Object.assign(new Row(), values);
}

/** An authorization tells less: no email, no type of user, no project grant, no sequence. */
export function fromAuthorization(grant: Authorization): GrantRecord {
  const { id, state, project, organization, user, roles, creationDate, changeDate } = grant;
  return rowOf({
    grantId: id,
    userId: user?.id ?? "",
    state: state === State.ACTIVE ? "active" : state === State.INACTIVE ? "inactive" : "unknown",
    roleKeys: roles.map(({ key }) => key),
    projectId: project?.id ?? "",
    userType: "unknown",
    preferredLoginName: user?.preferredLoginName || undefined,
    displayName: user?.displayName || undefined,
    projectName: project?.name,
    orgId: organization?.id,
    orgName: organization?.name,
    // A project of another organization has been granted to this one.
    grantedOrgId: project?.organizationId === organization?.id ? undefined : organization?.id,
    creationDate: dateOf(creationDate),
    changeDate: dateOf(changeDate),
    resourceOwner: organization?.id,
  });
}

/** Whether it is of another organization than that of the calls, as far as both are known. */
export function isForeign(
  record: GrantRecord | undefined,
  { orgId }: { readonly orgId: string },
): boolean {
  const owner = record?.orgId ?? record?.resourceOwner;
  return owner !== undefined && owner !== orgId;
}

/** The part of it that the log of a run keeps. */
export function toLoggedGrant(record: GrantRecord): LoggedGrant {
  const { grantId, userId, userName, displayName, email, projectName } = record;
  const { state, roleKeys, projectId, projectGrantId, sequence, changeDate } = record;
  return {
    ...{ grantId, userId, userName, displayName, email, projectName },
    recorded: { state, roleKeys, projectId, projectGrantId, sequence, changeDate },
  };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Named = "displayName" | "email" | "preferredLoginName" | "userName" | "userId";

/** A user, for display: name and address, or whichever is known. */
export function personOf(grant: Readonly<Partial<Record<Named, string | undefined>>>): string {
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
