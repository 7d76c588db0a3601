import type { SandboxServer } from "../../src/sandbox/index.js";

/** People, projects and grants to find things among. */
export function addCompany(sandbox: SandboxServer) {
  const project = (name: string, ...roleKeys: string[]) =>
    sandbox.addProject({ name, roleKeys }).projectId;
  const billing = project("Billing", "admin", "reader", "cost, center");
  const reports = project("Reports", "reader");
  const person = (name: string, type: "human" | "machine" = "human") =>
    sandbox.addUser({
      name,
      type,
      ...(type === "human" ? { email: `${name.split(" ")[0]}@example.com` } : {}),
      userName: name.split(" ")[0],
      loginName: `${name.split(" ")[0]}@acme.example`.toLowerCase(),
    }).userId;
  const jane = person("Jane Doe");
  const joe = person("Joe Public");
  const bot = person("Bot", "machine");
  const grant = (
    userId: string,
    projectId: string,
    roleKeys: string[],
    state: "active" | "inactive" = "active",
  ) => sandbox.addGrant({ userId, projectId, roleKeys, state }).grantId;
  return {
    users: { jane, joe, bot },
    projects: { billing, reports },
    grants: {
      janeBilling: grant(jane, billing, ["admin", "reader"]),
      janeReports: grant(jane, reports, ["reader"]),
      joeBilling: grant(joe, billing, ["reader"]),
      joeReports: grant(joe, reports, ["reader"], "inactive"),
      botBilling: grant(bot, billing, ["cost, center"]),
    },
  };
}

export type Company = ReturnType<typeof addCompany>;
