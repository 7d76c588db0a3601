import { describe, expect, it, onTestFinished } from "vitest";
import { type Generation, type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";
import { comparable, comparableJson } from "./comparable.js";
import { sendHttp1 } from "./raw-request.js";
import { bodyOf, type Exchange, readRecordings, statusOf } from "./recordings.js";

interface RecordedGrant {
  readonly id: string;
  readonly roleKeys: readonly string[];
  readonly state: string;
  readonly userId: string;
  readonly userName: string;
  readonly firstName?: string;
  readonly lastName?: string;
  readonly displayName?: string;
  readonly email?: string;
  readonly userType: string;
  readonly orgId: string;
  readonly projectId: string;
  readonly projectName: string;
}

/** Every grant that a search found, as it was then. */
function grantsOf(generation: Generation): RecordedGrant[] {
  const grants = new Map<string, RecordedGrant>();
  // The database has an order of its own: that in which it found a project's grants.
  const searches = readRecordings("lookup", generation).sort(
    ([a], [b]) => Number(b === "search/by-project") - Number(a === "search/by-project"),
  );
  for (const [name, exchange] of searches) {
    if (name.startsWith("search/")) {
      for (const grant of JSON.parse(bodyOf(exchange).toString()).result ?? []) {
        grants.set(grant.id, grant);
      }
    }
  }
  return [...grants.values()];
}

/** A sandbox that knows what the recorded server knew when it was asked. */
async function open(generation: Generation, name: string): Promise<SandboxServer> {
  const grants = grantsOf(generation);
  const sandbox = await startSandbox({ generation, orgId: grants[0]?.orgId });
  onTestFinished(() => sandbox.close());
  for (const grant of grants) {
    const { userId, userName, firstName, lastName, email } = grant;
    sandbox.addUser({
      ...{ userId, userName, firstName, lastName, email },
      name: grant.displayName,
      type: grant.userType === "TYPE_MACHINE" ? "machine" : "human",
    });
    sandbox.addProject({
      projectId: grant.projectId,
      name: grant.projectName,
      roleKeys: ["reader", "writer"],
    });
  }
  for (const grant of grants) {
    if (name === "add/restore" && grant.userName.startsWith("john")) {
      continue;
    }
    const inactive =
      ["get/inactive", "reactivate/ok"].includes(name) && grant.projectName.startsWith("Reports");
    const { id: grantId, userId, orgId, projectId, roleKeys } = grant;
    sandbox.addGrant({
      grantId,
      userId,
      orgId,
      projectId,
      roleKeys,
      state: inactive ? "inactive" : "active",
    });
  }
  return sandbox;
}

function tokenFor(sandbox: SandboxServer, { request }: Exchange): string {
  const recorded = request.headers?.authorization ?? "";
  return recorded.includes("without membership") ? sandbox.addUser().token : sandbox.token;
}

describe.each(generations)("the sandbox responds like the recorded ZITADEL %s:", (generation) => {
  it.each(readRecordings("lookup", generation))("%s", async (name, exchange) => {
    const sandbox = await open(generation, name);
    const { method = "", path, headers, body } = exchange.request;
    const response = await sendHttp1({
      method,
      url: sandbox.baseUrl + path,
      headers: { ...headers, authorization: `Bearer ${tokenFor(sandbox, exchange)}` },
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    });
    expect(response.status).toBe(statusOf(exchange));
    expect(comparableJson(response.body)).toEqual(comparableJson(bodyOf(exchange)));
    expect(comparable(response.headers)).toEqual(comparable(exchange.response.headers));
  });
});
