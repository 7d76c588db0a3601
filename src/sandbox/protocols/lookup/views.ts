import type { Grant, User } from "../../model/entities.js";
import type { Instance } from "../../model/instance.js";
import { orgDomain } from "../../model/search/user-grants.js";
import type { Json } from "../gateway.js";

type JsonMessage = { readonly [name: string]: Json };

/** A `zitadel.user.v1.UserGrant`. */
export function userGrantView({ state, hosts }: Instance, grant: Grant): JsonMessage {
  const user = state.users.get(grant.userId);
  const org = state.orgs.get(grant.orgId);
  const domain = org === undefined ? "" : orgDomain(org.name, hosts[0] ?? "");
  return withoutDefaults({
    id: grant.grantId,
    details: detailsView(grant),
    roleKeys: grant.roleKeys,
    state: `USER_GRANT_STATE_${grant.state.toUpperCase()}`,
    userId: grant.userId,
    userName: user?.userName,
    firstName: user?.firstName,
    lastName: user?.lastName,
    email: user?.email,
    displayName: user?.type === "human" ? user.displayName : undefined,
    orgId: grant.orgId,
    orgName: org?.name,
    orgDomain: domain,
    projectId: grant.projectId,
    projectName: state.projects.get(grant.projectId)?.name,
    projectGrantId: grant.projectGrantId,
    preferredLoginName: user?.loginName,
    userType: user && `TYPE_${user.type.toUpperCase()}`,
    grantedOrgId: grant.orgId,
    grantedOrgName: org?.name,
    grantedOrgDomain: domain,
  });
}

/** A `zitadel.user.v1.User`. */
export function userView(user: User): JsonMessage {
  const date = protoDate(user.createdAtMs);
  return withoutDefaults({
    id: user.userId,
    details: {
      sequence: "1",
      creationDate: date,
      changeDate: date,
      resourceOwner: user.orgId,
    },
    state: "USER_STATE_ACTIVE",
    userName: user.userName,
    loginNames: [user.loginName],
    preferredLoginName: user.loginName,
    ...(user.type === "machine"
      ? { machine: { name: user.displayName } }
      : {
          human: {
            profile: withoutDefaults({
              firstName: user.firstName,
              lastName: user.lastName,
              displayName: user.displayName,
              preferredLanguage: user.preferredLanguage ?? "und",
            }),
            email: { email: user.email ?? "", isEmailVerified: true },
            phone: {},
            passwordChanged: date,
          },
        }),
  });
}

/** A `zitadel.org.v1.Org`. */
export function orgView({ state, hosts }: Instance, orgId: string): JsonMessage {
  const org = state.orgs.get(orgId);
  const date = protoDate(org?.createdAtMs ?? 0);
  return {
    id: orgId,
    details: { sequence: "1", creationDate: date, changeDate: date, resourceOwner: orgId },
    state: "ORG_STATE_ACTIVE",
    name: org?.name ?? "",
    primaryDomain: orgDomain(org?.name ?? "", hosts[0] ?? ""),
  };
}

/** The details of a list: `zitadel.v1.ListDetails`. */
export function listDetailsView(total: number, updatedAtMs: number): JsonMessage {
  return withoutDefaults({
    totalResult: total === 0 ? undefined : String(total),
    viewTimestamp: protoDate(updatedAtMs),
  });
}

function detailsView(grant: Grant): JsonMessage {
  return {
    sequence: String(grant.sequence),
    creationDate: protoDate(grant.createdAtMs),
    changeDate: protoDate(grant.changedAtMs),
    resourceOwner: grant.orgId,
  };
}

/** A `google.protobuf.Timestamp`: without a fraction if that is zero. */
export function protoDate(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** Protobuf's JSON omits empty values. */
function withoutDefaults(members: { readonly [name: string]: Json | undefined }): JsonMessage {
  const present: Record<string, Json> = {};
  for (const name in members) {
    const value = members[name];
    if (value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0)) {
      present[name] = value;
    }
  }
  return present;
}
