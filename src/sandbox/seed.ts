import { readFileSync } from "node:fs";
import {
  type Check,
  type Checks,
  checkOptions,
  isHeaderValue,
  isObject,
  kindOf,
  listOf,
  oneOf,
  own,
  show,
  text,
} from "../options/checker.js";
import type { GrantInit, OrgInit, ProjectInit, UserInit } from "./control.js";
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

/** What a seed has lists of, and how one of them is called. */
export type Kind = "org" | "project" | "user" | "grant";

/** Adds what has been checked. */
export type Adders = Readonly<Record<Kind, (init: never) => unknown>>;

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
export function plantSeed(add: Adders, seed: SandboxSeed | string): void {
  const value: unknown = typeof seed === "string" ? parse(seed) : seed;
  const checked = checkInit<SandboxSeed>("seed", value, seedChecks);
  for (const kind of ["org", "project", "user", "grant"] as const) {
    for (const [index, item] of checked[`${kind}s`]?.entries() ?? []) {
      const where = `seed.${kind}s[${index}]`;
      const init = checkInit(where, item, initChecks[kind]);
      try {
        add[kind](init as never);
      } catch (error) {
        throw new TypeError(`${where}: ${(error as Error).message}`);
      }
    }
  }
}

function parse(path: string): unknown {
  const content = readFileSync(path, "utf8");
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new TypeError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

/** A secret, which is not shown. */
export const token: Check = ["printable ASCII without spaces", isHeaderValue, kindOf];
const texts = listOf("strings that are not empty", (item) => text[1](item) === true);
const state = oneOf(["active", "inactive"]);

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
  type: oneOf(["human", "machine"]),
  state,
  name: text,
  firstName: text,
  lastName: text,
  email: text,
  userName: text,
  loginName: text,
  preferredLanguage: text,
  token,
  roles: [
    `an array of manager roles, like "ORG_OWNER" or { "role": "PROJECT_OWNER", "projectId": "…" }; there are ${roleNames.join(", ")}`,
    (value) => Array.isArray(value) && value.every(isRole),
  ],
};

const grantChecks: Checks<GrantInit> = {
  grantId: text,
  userId: text,
  orgId: text,
  projectId: text,
  roleKeys: texts,
  state,
};

/** The checks of each kind, whose types are erased. */
export const initChecks: Readonly<Record<Kind, Checks<Record<string, unknown>>>> = {
  org: orgChecks,
  project: projectChecks,
  user: userChecks,
  grant: grantChecks,
};

/** Checks the input of an `add…` function or a seed; throws a TypeError with reason and position. */
export function checkInit<O extends object>(where: string, init: unknown, checks: Checks<O>): O {
  if (!isObject(init)) {
    throw new TypeError(`${where} must be an object; got ${show(init)}`);
  }
  return checkOptions<O>(init, checks, { prefix: `${where}.` });
}

function isRole(value: unknown): boolean {
  const given = typeof value === "string" ? { role: value } : value;
  if (!isObject(given)) {
    return false;
  }
  const { role, orgId, projectId, ...more } = own(given) as Record<string, unknown>;
  return (
    roleNames.includes(role as Role) &&
    [orgId, projectId].every((id) => id === undefined || text[1](id)) &&
    Object.keys(more).length === 0
  );
}
