import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AuthorizationSchema } from "../../../gen/tool/authorization_pb.js";
import { State as AuthorizationState } from "../../../gen/tool/authorization_pb.js";
import type { ListDetailsSchema, ObjectDetailsSchema } from "../../../gen/tool/object_pb.js";
import type { OrgSchema } from "../../../gen/tool/org_pb.js";
import { OrgState } from "../../../gen/tool/org_pb.js";
import type { UserGrantSchema, UserSchema } from "../../../gen/tool/user_pb.js";
import { Type, UserGrantState, UserState } from "../../../gen/tool/user_pb.js";
import type { Grant, User } from "../model/entities.js";
import { type Instance, orgDomain, relatedTo } from "../model/instance.js";

// Texts of a message that are not set, as its default.
const orEmpty = (text: string | undefined) => text ?? "";

/** The details of a grant that a command has changed: without the date of its creation. */
export function changeDetails(grant: Grant): MessageInitShape<typeof ObjectDetailsSchema> {
  return {
    sequence: grant.sequence,
    changeDate: timestampFromMs(grant.changedAtMs),
    resourceOwner: grant.orgId,
  };
}

export function userGrantMessage(
  instance: Instance,
  grant: Grant,
): MessageInitShape<typeof UserGrantSchema> {
  const { user, org, project } = relatedTo(instance, grant);
  const domain = orgDomain(instance, org.name);
  return {
    id: grant.grantId,
    details: { ...changeDetails(grant), creationDate: timestampFromMs(grant.createdAtMs) },
    roleKeys: [...grant.roleKeys],
    state: grant.state === "active" ? UserGrantState.ACTIVE : UserGrantState.INACTIVE,
    userId: grant.userId,
    userName: user.userName,
    firstName: orEmpty(user.firstName),
    lastName: orEmpty(user.lastName),
    email: orEmpty(user.email),
    displayName: orEmpty(displayNameOf(user)),
    orgId: grant.orgId,
    orgName: org.name,
    orgDomain: domain,
    projectId: grant.projectId,
    projectName: project.name,
    projectGrantId: orEmpty(grant.projectGrantId),
    preferredLoginName: user.loginName,
    userType: typeOf(user),
    grantedOrgId: grant.orgId,
    grantedOrgName: org.name,
    grantedOrgDomain: domain,
  };
}

/** A grant, as ZITADEL v4 calls it. */
export function authorizationMessage(
  instance: Instance,
  grant: Grant,
): MessageInitShape<typeof AuthorizationSchema> {
  const { user, org, project } = relatedTo(instance, grant);
  return {
    id: grant.grantId,
    creationDate: timestampFromMs(grant.createdAtMs),
    changeDate: timestampFromMs(grant.changedAtMs),
    project: { id: grant.projectId, name: project.name, organizationId: project.orgId },
    organization: { id: grant.orgId, name: org.name },
    user: {
      id: grant.userId,
      preferredLoginName: user.loginName,
      displayName: orEmpty(displayNameOf(user)),
      organizationId: user.orgId,
    },
    state: stateOfAuthorization(grant),
    roles: grant.roleKeys.map((key) => ({ key, displayName: key })),
  };
}

export function userMessage(user: User): MessageInitShape<typeof UserSchema> {
  const date = timestampFromMs(user.createdAtMs);
  const { userName, loginName, displayName, firstName, lastName, email } = user;
  return {
    id: user.userId,
    details: { sequence: 1n, creationDate: date, changeDate: date, resourceOwner: user.orgId },
    state: stateOf(user),
    userName,
    loginNames: [loginName],
    preferredLoginName: loginName,
    type:
      user.type === "machine"
        ? { case: "machine", value: { name: displayName } }
        : {
            case: "human",
            value: {
              profile: {
                firstName: orEmpty(firstName),
                lastName: orEmpty(lastName),
                displayName,
                preferredLanguage: user.preferredLanguage ?? "und",
              },
              email: { email: orEmpty(email), isEmailVerified: true },
              phone: {},
              passwordChanged: date,
            },
          },
  };
}

export function orgMessage(instance: Instance, orgId: string): MessageInitShape<typeof OrgSchema> {
  const { name = "", createdAtMs = 0 } = instance.orgs.get(orgId) ?? {};
  const date = timestampFromMs(createdAtMs);
  return {
    id: orgId,
    details: { sequence: 1n, creationDate: date, changeDate: date, resourceOwner: orgId },
    state: OrgState.ACTIVE,
    name,
    primaryDomain: orgDomain(instance, name),
  };
}

/** The details of a list, and when what it was read from last changed. */
export function listDetails(
  total: number,
  updatedAtMs: number,
): MessageInitShape<typeof ListDetailsSchema> {
  return { totalResult: BigInt(total), viewTimestamp: timestampFromMs(updatedAtMs) };
}

export function typeOf({ type }: User): Type {
  return type === "human" ? Type.HUMAN : Type.MACHINE;
}

export function stateOf({ state }: User): UserState {
  return state === "active" ? UserState.ACTIVE : UserState.INACTIVE;
}

export function stateOfAuthorization({ state }: Grant): AuthorizationState {
  return state === "active" ? AuthorizationState.ACTIVE : AuthorizationState.INACTIVE;
}

/** The database has none for machines. */
export function displayNameOf({ type, displayName }: User): string | undefined {
  return type === "human" ? displayName : undefined;
}
