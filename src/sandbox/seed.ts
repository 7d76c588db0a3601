import { readFileSync } from "node:fs";
import { type Check, type Checks, checkOptions, isObject, show } from "../options/checker.js";
import { nearest } from "../options/spelling.js";
import type { GrantInit, OrgInit, ProjectInit, SandboxControl, UserInit } from "./control.js";
import { type Role, roleNames } from "./model/roles.js";

/**
 * What a sandbox knows from the start, in the order in which it is added: users can be of an organization
 * of the seed, and grants of a project of it. `schema/sandbox-seed.json` of this package is its JSON Schema.
 */
export interface SandboxSeed {
  /** For editors: where the JSON Schema is. */
  readonly $schema?: string | undefined;
  readonly orgs?: readonly OrgInit[] | undefined;
  readonly projects?: readonly ProjectInit[] | undefined;
  readonly users?: readonly UserInit[] | undefined;
  readonly grants?: readonly GrantInit[] | undefined;
}

const text: Check = [
  "a string that is not empty",
  (value) => typeof value === "string" && value !== "",
];
const texts: Check = [
  "an array of strings that are not empty",
  (value) => Array.isArray(value) && value.every((item) => text[1](item)),
];
const array: Check = ["an array", Array.isArray];
const oneOf = (...values: readonly string[]): Check => [
  values.map((value) => JSON.stringify(value)).join(" or "),
  (value) => values.includes(value as string),
];

const seedChecks: Checks<SandboxSeed> = {
  $schema: text,
  orgs: array,
  projects: array,
  users: array,
  grants: array,
};

const orgChecks: Checks<OrgInit> = { orgId: text, name: text };

const projectChecks: Checks<ProjectInit> = {
  projectId: text,
  orgId: text,
  name: text,
  roleKeys: texts,
};

const userChecks: Checks<UserInit> = {
  userId: text,
  orgId: text,
  type: oneOf("human", "machine"),
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
    'an array of manager roles, like "ORG_OWNER" or { "role": "PROJECT_OWNER", "projectId": "…" }',
    (value) => Array.isArray(value) && value.every(isRole),
  ],
};

const grantChecks: Checks<GrantInit> = {
  grantId: text,
  userId: text,
  orgId: text,
  projectId: text,
  roleKeys: texts,
  state: oneOf("active", "inactive"),
};

function isRole(value: unknown): boolean {
  if (typeof value === "string") {
    return roleNames.includes(value as Role);
  }
  if (!isObject(value)) {
    return false;
  }
  const { role, orgId, projectId, ...more } = value as Record<string, unknown>;
  return (
    roleNames.includes(role as Role) &&
    [orgId, projectId].every((id) => id === undefined || text[1](id)) &&
    Object.keys(more).length === 0
  );
}

/**
 * Reads a seed from its file, when it is one, and checks it.
 *
 * @throws TypeError that says what is wrong and where. It fails with the system's error (`ENOENT`) when
 * there is no such file.
 */
export function readSeed(seed: SandboxSeed | string): SandboxSeed {
  const value: unknown = typeof seed === "string" ? parse(seed) : seed;
  if (!isObject(value)) {
    throw new TypeError(`seed must be an object; got ${show(value)}`);
  }
  const { orgs, projects, users, grants } = checkOptions(value, seedChecks, {
    prefix: "seed.",
    suggest: nearest,
  });
  return {
    orgs: checkAll<OrgInit>("orgs", orgs, orgChecks),
    projects: checkAll<ProjectInit>("projects", projects, projectChecks),
    users: checkAll<UserInit>("users", users, userChecks),
    grants: checkAll<GrantInit>("grants", grants, grantChecks),
  };
}

/**
 * Adds what a seed holds.
 *
 * @throws TypeError that says what refers to nothing, and where.
 */
export function plantSeed(control: SandboxControl, seed: SandboxSeed): void {
  addAll("orgs", seed.orgs, control.addOrg);
  addAll("projects", seed.projects, control.addProject);
  addAll("users", seed.users, control.addUser);
  addAll("grants", seed.grants, control.addGrant);
}

function parse(path: string): unknown {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TypeError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

function checkAll<O extends object>(kind: string, list: unknown, checks: Checks<O>): readonly O[] {
  return ((list ?? []) as readonly unknown[]).map((item, index) => {
    const where = `seed.${kind}[${index}]`;
    if (!isObject(item)) {
      throw new TypeError(`${where} must be an object; got ${show(item)}`);
    }
    return checkOptions<O>(item, checks, { prefix: `${where}.`, suggest: nearest });
  });
}

function addAll<O>(kind: string, list: readonly O[] = [], add: (item: O) => unknown): void {
  for (const [index, item] of list.entries()) {
    try {
      add(item);
    } catch (error) {
      throw new TypeError(`seed.${kind}[${index}]: ${(error as Error).message}`);
    }
  }
}
