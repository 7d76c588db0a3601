import {
  type Check,
  type Checks,
  checkOptions,
  isObject,
  oneOf,
  own,
  show,
  text,
} from "../options/checker.js";
import type { GrantInit, OrgInit, ProjectInit, UserInit } from "./control.js";
import { type Role, roleNames } from "./model/roles.js";

const texts: Check = [
  "an array of strings that are not empty",
  (value) => Array.isArray(value) && value.every((item) => text[1](item)),
];

export const orgChecks: Checks<OrgInit> = { orgId: text, name: text };

export const projectChecks: Checks<ProjectInit> = {
  projectId: text,
  orgId: text,
  name: text,
  roleKeys: texts,
};

export const userChecks: Checks<UserInit> = {
  userId: text,
  orgId: text,
  type: oneOf(["human", "machine"]),
  name: text,
  firstName: text,
  lastName: text,
  email: text,
  userName: text,
  loginName: text,
  preferredLanguage: text,
  token: [
    "printable ASCII without spaces",
    (value) => typeof value === "string" && /^[!-~]+$/.test(value),
    () => "another value",
  ],
  roles: [
    `an array of manager roles, like "ORG_OWNER" or { "role": "PROJECT_OWNER", "projectId": "…" }; there are ${roleNames.join(", ")}`,
    (value) => Array.isArray(value) && value.every(isRole),
  ],
};

export const grantChecks: Checks<GrantInit> = {
  grantId: text,
  userId: text,
  orgId: text,
  projectId: text,
  roleKeys: texts,
  state: oneOf(["active", "inactive"]),
};

/** Checks the input of an `add…` function or a seed; throws a TypeError with reason and position. */
export function checkInit<O extends object>(where: string, init: unknown, checks: Checks<O>): O {
  if (!isObject(init)) {
    throw new TypeError(`${where} must be an object; got ${show(init)}`);
  }
  return checkOptions<O>(init, checks, { prefix: `${where}.` });
}

function isRole(value: unknown): boolean {
  if (typeof value === "string") {
    return roleNames.includes(value as Role);
  }
  if (!isObject(value)) {
    return false;
  }
  const { role, orgId, projectId, ...more } = own(value) as Record<string, unknown>;
  return (
    roleNames.includes(role as Role) &&
    [orgId, projectId].every((id) => id === undefined || text[1](id)) &&
    Object.keys(more).length === 0
  );
}
