import type { SandboxServer } from "../sandbox/index.js";

const firstNames = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Ken", "Leslie", "Margaret"];
const lastNames = ["Hopper", "Kernighan", "Lamport", "Liskov", "Lovelace", "Ritchie", "Turing"];

const projects = [
  { name: "Billing", roleKeys: ["reader", "writer"] },
  { name: "Reports", roleKeys: ["reader"] },
];

/**
 * Adds grants of made-up users, one each, in two projects.
 *
 * @returns the first three of them.
 */
export function addDemoGrants(
  sandbox: SandboxServer,
  count: number,
): { userId: string; grantId: string }[] {
  const added = projects.map((project) => ({ ...project, ...sandbox.addProject(project) }));
  const first: { userId: string; grantId: string }[] = [];
  for (let index = 0; index < count; index++) {
    const firstName = firstNames[index % firstNames.length] ?? "";
    const lastName = lastNames[index % lastNames.length] ?? "";
    const loginName = `${firstName}.${lastName}${index < 56 ? "" : `.${index}`}`.toLowerCase();
    const { userId } = sandbox.addUser({
      name: `${firstName} ${lastName}`,
      loginName,
      email: `${loginName}@example.com`,
    });
    const project = added[index % added.length];
    const grant = sandbox.addGrant({
      userId,
      projectId: project?.projectId,
      roleKeys: project?.roleKeys,
    });
    if (index < 3) {
      first.push(grant);
    }
  }
  return first;
}
