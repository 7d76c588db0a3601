import { Code } from "@connectrpc/connect";
import { describeError } from "../errors/describe.js";
import { searchAllGrants } from "./grant-search.js";
import { UsageError } from "./io.js";
import type { GrantQuery, Lookup, UserRecord } from "./lookup.js";
import { printable } from "./printable.js";
import { nameKey, shownFlag, type Value } from "./selector-values.js";

const ignoreCase = "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE";

/**
 * The grants of a project, by its id or its exact name.
 *
 * @throws UsageError when the name fits several projects.
 */
export async function resolveProject(lookup: Lookup, project: string): Promise<Value> {
  const byId: GrantQuery = { projectIdQuery: { projectId: project } };
  const found = new Map<string, string>();
  if ((await lookup.searchGrants([byId], { offset: 0, limit: 1 })).records.length > 0) {
    found.set(project, "its id");
  }
  // To the end: another project with the same name may come last.
  const named = searchAllGrants(lookup, [
    { projectNameQuery: { projectName: project, method: "TEXT_QUERY_METHOD_EQUALS" } },
  ]);
  for await (const { projectId, projectName } of named) {
    if (projectName === project && !found.has(projectId)) {
      found.set(projectId, "its name");
    }
  }
  if (found.size > 1) {
    throw new UsageError(
      `--project ${printable(project)} fits several projects: ${[...found].map(([id, what]) => `${id} by ${what}`).join(", ")}. Give the id of the one that is meant.`,
    );
  }
  const [projectId = project] = found.keys();
  return {
    shown: shownFlag("project", project),
    keys: [projectId],
    queries: [{ projectIdQuery: { projectId } }],
  };
}

/**
 * The grants of the user with a login name. A user has several login names, and grants show the preferred
 * one, so users are searched first; users of other organizations are found by their grants.
 */
export async function resolveLoginName(lookup: Lookup, loginName: string): Promise<Value> {
  const query = { loginNameQuery: { loginName, method: ignoreCase } } as const;
  let users: readonly UserRecord[] = [];
  try {
    users = (await lookup.searchUsers([query], { offset: 0, limit: 100 })).records;
  } catch (error) {
    // A role may allow reading grants but not users.
    if (describeError(error).code !== Code.PermissionDenied) {
      throw error;
    }
  }
  const ids = new Set(users.map(({ userId }) => userId));
  const at = loginName.lastIndexOf("@");
  const names = at > 0 ? [loginName, loginName.slice(0, at)] : [loginName];
  return {
    shown: `--login-name ${loginName}`,
    keys: [...ids, nameKey(loginName)],
    queries:
      ids.size > 0
        ? [...ids].map((userId) => ({ userIdQuery: { userId } }))
        : names.map((userName) => ({ userNameQuery: { userName, method: ignoreCase } })),
  };
}
