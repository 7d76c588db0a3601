import { readFileSync } from "node:fs";
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
import type { GrantInit, OrgInit, ProjectInit, SandboxControl, UserInit } from "./control.js";
import { type Role, roleNames } from "./model/entities.js";

/**
 * The initial state of a sandbox, in the order in which it is added: users can belong to an organization of
 * the seed, and grants to a project of it. `schema/sandbox-seed.json` of this package is its JSON Schema.
 */
export interface SandboxSeed {
  /** For editors: the location of the JSON Schema. */
  readonly $schema?: string | undefined;
  readonly orgs?: readonly OrgInit[] | undefined;
  readonly projects?: readonly ProjectInit[] | undefined;
  readonly users?: readonly UserInit[] | undefined;
  readonly grants?: readonly GrantInit[] | undefined;
}

const array: Check = ["an array", Array.isArray];

const seedChecks: Checks<SandboxSeed> = {
  $schema: text,
  orgs: array,
  projects: array,
  users: array,
  grants: array,
};

/**
 * Adds the content of a seed, which is read from its file if a path is given.
 *
 * @throws TypeError with the reason and the position. It fails with the system's error (`ENOENT`) when the
 * file does not exist.
 */
export function plantSeed(control: SandboxControl, seed: SandboxSeed | string): void {
  const value: unknown = typeof seed === "string" ? parse(seed) : seed;
  const { orgs, projects, users, grants } = checkInit("seed", value, seedChecks);
  plant("orgs", orgs, orgChecks, control.addOrg);
  plant("projects", projects, projectChecks, control.addProject);
  plant("users", users, userChecks, control.addUser);
  plant("grants", grants, grantChecks, control.addGrant);
}

function parse(path: string): unknown {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TypeError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

function plant<O extends object>(
  kind: string,
  list: readonly O[] = [],
  checks: Checks<O>,
  add: (item: O) => unknown,
): void {
  for (const [index, item] of list.entries()) {
    const where = `seed.${kind}[${index}]`;
    const checked = checkInit(where, item, checks);
    try {
      add(checked);
    } catch (error) {
      throw new TypeError(`${where}: ${(error as Error).message}`);
    }
  }
}

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
  state: oneOf(["active", "inactive"]),
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
