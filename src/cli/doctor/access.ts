import { ConnectError } from "@connectrpc/connect";
import { close } from "../../client/close.js";
import { type Connection, type ProtocolName, protocols } from "../connection.js";
import { advice, explain } from "../explain.js";
import { createLookup } from "../lookup.js";
import { type Probe, probePermission } from "../permission.js";
import { reasonOf } from "../whoami.js";
import type { Finding } from "./finding.js";

export async function probeToken(connection: Connection): Promise<Finding> {
  const title = "token";
  try {
    const response = await connection.get("/oidc/v1/userinfo");
    const text = await response.text();
    if (response.status === 401) {
      return {
        ok: false,
        title,
        detail:
          "the server does not know it, or it has expired: get a new one, or use a key file, which renews it",
      };
    }
    return response.ok
      ? { ok: true, title, detail: `of account ${JSON.parse(text).sub}` }
      : { ok: false, title, detail: `/oidc/v1/userinfo responds with HTTP ${response.status}` };
  } catch (error) {
    return {
      ok: false,
      title,
      detail: error instanceof ConnectError ? explain(error) : reasonOf(error),
    };
  }
}

export async function probeOrganization(connection: Connection): Promise<Finding> {
  const title = "organization";
  const { orgId } = connection;
  try {
    const response = await connection.get(
      "/management/v1/orgs/me",
      orgId === undefined ? {} : { "x-zitadel-orgid": orgId },
    );
    const text = await response.text();
    if (response.ok) {
      const { org } = JSON.parse(text);
      const own = orgId === undefined ? ", the account's own: none was given" : "";
      return { ok: true, title, detail: `${org?.name} (${org?.id})${own}` };
    }
    const name = orgId ?? "the account's own";
    const [id] = Object.keys(advice).filter((known) => text.includes(known));
    return id === "AUTH-5mWD2"
      ? { ok: true, title, detail: `${name}; the role may not see what it is called` }
      : {
          ok: false,
          title,
          detail: `${name}: ${id === undefined ? `HTTP ${response.status} ${text.slice(0, 200)}` : `${id}. ${advice[id]}`}`,
        };
  } catch (error) {
    return { ok: false, title, detail: reasonOf(error) };
  }
}

/** Sends an empty removal over each protocol: permission is checked, and nothing is changed. */
export async function probeProtocols(connection: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  let permission: Probe | undefined;
  for (const name of Object.keys(protocols) as ProtocolName[]) {
    const client = connection.createClient(name);
    const used = name === connection.protocol;
    try {
      const probe = await probePermission(client, name, "remove");
      const bodyLost = probe.reached && probe.detail.includes("COMMAND-5M0sd");
      const works = probe.reached && !bodyLost;
      findings.push({
        // A protocol that is not used may fail.
        ok: works || !used,
        title: name,
        detail: works
          ? "works"
          : `does not work${used ? "" : ", and is not used"}: ${probe.detail}`,
      });
      if (works && (used || permission === undefined)) {
        permission = probe;
      }
    } finally {
      close(client);
    }
  }
  return permission === undefined
    ? findings
    : [...findings, await permissionFinding(connection, permission)];
}

/** What the account may do. Looking grants up is a separate permission that removal does not need. */
async function permissionFinding(connection: Connection, remove: Probe): Promise<Finding> {
  const title = "permission";
  if (!remove.ok) {
    return { ok: false, title, detail: remove.detail };
  }
  const client = connection.createClient();
  const deactivate = await probePermission(client, connection.protocol, "deactivate");
  close(client);
  if (!deactivate.ok) {
    return {
      ok: false,
      title,
      detail: `may remove grants, but not deactivate: ${deactivate.detail}`,
    };
  }
  let lookUp = "";
  try {
    await createLookup(connection).searchGrants([], { offset: 0, limit: 1 });
  } catch (error) {
    lookUp = `; may not look them up, which list, selectors and verify need (user.grant.read): ${explain(error)}`;
  }
  const all = lookUp === "" ? "remove, deactivate and look up" : "remove and deactivate";
  return {
    ok: true,
    title,
    detail: `may ${all} grants (a role that is limited to some projects shows only when a grant of another project is changed)${lookUp}`,
  };
}
