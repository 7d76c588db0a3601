import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deactivateUserGrants, type Outcome, removeUserGrants } from "../../src/bulk/index.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { close } from "../../src/client/close.js";
import { platform, sleep } from "../../src/common/time.js";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import * as json from "../../src/json.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { createImpatientEnvironment } from "../support/fake-environment.js";
import { startRelay } from "../support/relay.js";
import { seed } from "../support/seed.js";

const protocols = Object.entries({ grpc, "grpc-web": grpcWeb, json });

async function collect<O extends Outcome<string>>(run: AsyncIterable<O>) {
  const outcomes: O[] = [];
  let thrown: unknown;
  try {
    for await (const outcome of run) {
      outcomes.push(outcome);
    }
  } catch (error) {
    thrown = error;
  }
  return { outcomes, thrown };
}

/** What is shorter is HTTP/2's own: cut there, connections are opened in ever longer intervals. */
const shortestResponse = 40;

/** Passes bytes on, and cuts the connection in place of a response when told so. */
const startCuttingProxy = (targetPort: number, cuts: () => boolean) =>
  startRelay(targetPort, {
    onResponse: (chunk, near) =>
      chunk.length >= shortestResponse && cuts() ? near.destroy() : near.write(chunk),
  });

describe.each(protocols)("over %s", (_, entry) => {
  it("removes, deactivates, and isolates the grants that cannot be", async () => {
    const sandbox = await startSandbox();
    const { projectId } = sandbox.addProject();
    const { token } = sandbox.addUser({
      roles: [{ role: "PROJECT_OWNER", projectId: sandbox.projectId }],
    });
    const client = entry.createManagementClient({ baseUrl: sandbox.baseUrl, token });
    const grants = Array.from({ length: 250 }, () => sandbox.addGrant());
    const foreign = sandbox.addGrant({ projectId });
    const gone = { userId: "1", grantId: "404" };
    const all = [...grants.slice(0, 50), foreign, ...grants, gone];
    const options = { orgId: sandbox.orgId };

    const deactivated = await collect(deactivateUserGrants(client, all, options));
    const removed = await collect(
      removeUserGrants(
        client,
        all.map(({ grantId }) => grantId),
        options,
      ),
    );
    for (const [{ outcomes, thrown }, status] of [
      [deactivated, "deactivated"],
      [removed, "removed"],
    ] as const) {
      expect(thrown).toBeUndefined();
      expect(outcomes).toHaveLength(252);
      expect(outcomes).toContainEqual({ grantId: "404", status: "not-found" });
      expect(outcomes.find(({ grantId }) => grantId === foreign.grantId)).toMatchObject({
        status: "failed",
        error: { code: Code.PermissionDenied },
      });
      expect(outcomes.filter((outcome) => outcome.status === status)).toHaveLength(250);
    }
    expect(grants.some(({ grantId }) => sandbox.grant(grantId) !== undefined)).toBe(false);
    expect(sandbox.grant(foreign.grantId)?.state).toBe("active");
    close(client);
    await sandbox.close();
  });

  it("keeps maxPerSecond at the server, with a slow token that is rejected and replaced", async () => {
    const arrivedMs: number[] = [];
    const sandbox = await startSandbox({ onRequest: () => arrivedMs.push(performance.now()) });
    const grants = Array.from({ length: 60 }, () => sandbox.addGrant());
    const asked = sleep(platform, 300);
    const client = entry.createManagementClient({
      baseUrl: sandbox.baseUrl,
      token: async (request) => {
        await asked;
        return request?.refused === undefined ? "a-token-of-yesterday" : sandbox.token;
      },
    });
    const run = deactivateUserGrants(client, grants, { maxPerSecond: 80, concurrency: 60 });
    expect((await run.summary()).counts.deactivated).toBe(60);
    expect(arrivedMs).toHaveLength(120);
    for (const [index, atMs] of arrivedMs.entries()) {
      expect((arrivedMs[index + 80] ?? Number.POSITIVE_INFINITY) - atMs).toBeGreaterThan(1000);
    }
    close(client);
    await sandbox.close();
  });

  it(`reports accurate outcomes when connections break and the token is revoked (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          states: fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
          cuts: fc.infiniteStream(fc.integer({ min: 0, max: 9 }).map((n) => n < 2)),
          revokeAt: fc.option(fc.nat(60), { freq: 3 }),
          batchSize: fc.integer({ min: 1, max: 20 }),
        }),
        async ({ states, cuts, revokeAt, batchSize }) => {
          const sandbox = await startSandbox();
          const proxy = await startCuttingProxy(
            Number(new URL(sandbox.baseUrl).port),
            () => cuts.next().value === true,
          );
          const client = entry.createManagementClient({
            baseUrl: proxy.baseUrl,
            token: sandbox.token,
          });
          const ids = states.map((known, index) =>
            known ? sandbox.addGrant().grantId : `404${index}`,
          );
          let seen = 0;
          const { outcomes, thrown } = await collect(
            removeUserGrantsIn(createImpatientEnvironment(), client, ids, {
              batchSize,
              onOutcome: () => {
                if (seen++ === revokeAt) {
                  sandbox.revokeToken(sandbox.token);
                }
              },
            }),
          );
          if (thrown !== undefined) {
            // Unavailable when every connection breaks, for longer than the run waits.
            expect([Code.Unauthenticated, Code.Unavailable]).toContain(
              ConnectError.from(thrown).code,
            );
          } else {
            expect(outcomes).toHaveLength(ids.length);
          }
          for (const { grantId, status, answerLost } of outcomes) {
            const before = !grantId.startsWith("404");
            const now = sandbox.grant(grantId) !== undefined;
            const label = `${grantId} ${status} ${answerLost ?? ""}`;
            if (status === "removed") {
              expect([before, now], label).toEqual([true, false]);
            } else if (status === "not-found") {
              expect(now, label).toBe(false);
              expect(before && !answerLost, label).toBe(false);
            } else if (!answerLost) {
              expect(now, label).toBe(before);
            }
          }
          close(client);
          await proxy.shut();
          await sandbox.close();
        },
      ),
      { seed, numRuns: entry === grpc ? 8 : 15 },
    );
  }, 60_000);
});

describe("a client that is closed", () => {
  it.each([
    ["before", 0],
    ["during", 1],
  ])("%s a run ends it", async (_, closedAfter) => {
    const sandbox = await startSandbox();
    const { baseUrl, token, orgId } = sandbox;
    const client = grpc.createManagementClient({ baseUrl, token, orgId });
    const ids = Array.from({ length: 1000 }, () => sandbox.addGrant().grantId);
    let seen = 0;
    const onOutcome = () => {
      seen += 1;
      if (seen === closedAfter) {
        close(client);
      }
    };
    if (closedAfter === 0) {
      close(client);
    }
    const { outcomes, thrown } = await collect(removeUserGrants(client, ids, { onOutcome }));
    expect(thrown).toMatchObject({
      code: Code.Canceled,
      rawMessage: expect.stringContaining("the client was closed"),
    });
    expect(outcomes.length).toBeLessThan(1000);
    for (const { grantId, status, answerLost } of outcomes) {
      const isThere = sandbox.grant(grantId) !== undefined;
      expect(status === "removed" || answerLost || isThere).toBe(true);
      expect(status === "removed" && isThere).toBe(false);
    }
    await sandbox.close();
  });
});
