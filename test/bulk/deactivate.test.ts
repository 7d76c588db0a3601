import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  deactivateUserGrants,
  deactivateUserGrantsIn,
  type UserGrant,
} from "../../src/bulk/deactivate.js";
import type { DeactivateUserGrantsOptions } from "../../src/bulk/options.js";
import type { DeactivateOutcome } from "../../src/bulk/outcome.js";
import { createManagementClient } from "../../src/json.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer } from "./model-server.js";

function setUp(states: Record<string, "active" | "inactive" | "foreign"> = {}) {
  const world = new FakeEnvironment(1);
  const server = new ModelServer(world);
  for (const [id, state] of Object.entries(states)) {
    server.grants.set(id, state);
  }
  const deactivate = (
    grants: readonly (UserGrant | string)[],
    options: DeactivateUserGrantsOptions = {},
  ) =>
    world.run(
      (async () => {
        const outcomes: DeactivateOutcome[] = [];
        const source = grants.map((grant) =>
          typeof grant === "string" ? { userId: "u", grantId: grant } : grant,
        );
        for await (const outcome of deactivateUserGrantsIn(world, server.client, source, options)) {
          outcomes.push(outcome);
        }
        return outcomes;
      })(),
    );
  return { world, server, deactivate };
}

const applyAndLose = (code: Code) => (_: unknown, index: number) =>
  index === 0 ? { lookUpAfterMs: 1, failure: { afterMs: 5, code } } : { lookUpAfterMs: 1 };

describe("deactivating", () => {
  it("calls once for each distinct grant, one at a time unless told otherwise", async () => {
    const ids = Array.from({ length: 50 }, (_, index) => String(index));
    const { server, deactivate } = setUp(Object.fromEntries(ids.map((id) => [id, "active"])));
    const outcomes = await deactivate([...ids, ...ids]);
    expect(outcomes).toEqual(ids.map((grantId) => ({ grantId, status: "deactivated" })));
    expect(server.calls).toHaveLength(50);
    expect(server.mostInFlight).toBe(1);
    await deactivate(ids, { concurrency: 8 });
    expect(server.mostInFlight).toBe(8);
  });

  it("reports the server's outcome for each grant", async () => {
    const { deactivate } = setUp({ a: "active", i: "inactive", f: "foreign" });
    expect(await deactivate(["a", "i", "f", "gone"])).toMatchObject([
      { grantId: "a", status: "deactivated" },
      { grantId: "i", status: "deactivated" },
      { grantId: "f", status: "failed", error: { code: Code.PermissionDenied } },
      { grantId: "gone", status: "not-found" },
    ]);
  });

  it("goes on after a grant whose ids the client cannot send", async () => {
    const paths: string[] = [];
    const client = createManagementClient({
      baseUrl: "http://localhost",
      fetch: async (url) => {
        paths.push(new URL(String(url)).pathname);
        return Response.json({ details: { sequence: "2" } });
      },
    });
    const ids = ["1", "n/a", "ü", "2"];
    const grants = ids.map((grantId) => ({ userId: "u", grantId }));
    const { counts, answersLost } = await deactivateUserGrants(client, grants).summary();
    expect(counts).toMatchObject({ deactivated: 2, failed: 2 });
    expect([answersLost, paths.length]).toEqual([0, 2]);
  });

  it("does not take a grant that the client cannot send for a sign that the server accepts others", async () => {
    let requests = 0;
    const client = createManagementClient({
      baseUrl: "http://localhost",
      fetch: async () => {
        requests += 1;
        return requests <= 5
          ? new Response("", { status: 503 })
          : Response.json({ details: { sequence: "2" } });
      },
    });
    const grants = ["1", "n/a", "n/b", "n/c", "n/d"].map((grantId) => ({ userId: "u", grantId }));
    const world = new FakeEnvironment(1);
    const run = deactivateUserGrantsIn(world, client, grants, {});
    const { counts } = await world.run(run.summary());
    expect(counts).toMatchObject({ deactivated: 1, failed: 4 });
  });

  it("reports already-inactive if the server does", async () => {
    const { server, deactivate } = setUp({ i: "inactive" });
    server.inactive = "error";
    expect(await deactivate(["i"])).toEqual([{ grantId: "i", status: "already-inactive" }]);
  });

  it("after a lost response, OK proves that it is inactive and already-inactive leaves open which request did it", async () => {
    const now = setUp({ a: "active" });
    now.server.fate = applyAndLose(Code.Unavailable);
    expect(await now.deactivate(["a"])).toEqual([{ grantId: "a", status: "deactivated" }]);
    const older = setUp({ a: "active" });
    older.server.inactive = "error";
    older.server.fate = applyAndLose(Code.Unavailable);
    expect(await older.deactivate(["a"])).toEqual([
      { grantId: "a", status: "already-inactive", answerLost: true },
    ]);
  });

  it("fails grants that the server would reject, each of them, and does not send them", async () => {
    const { server, deactivate } = setUp({ a: "active" });
    const outcomes = await deactivate([
      { userId: "", grantId: "b" },
      { userId: "u", grantId: "x " },
      null,
      { userId: "1" },
      { userId: "2" },
      "a",
    ] as never);
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array(5).fill("failed"),
      "deactivated",
    ]);
    expect(outcomes.map(({ grantId }) => grantId)).toEqual([
      ...["b", "x ", "null", "undefined", "undefined", "a"],
    ]);
    expect(server.calls).toHaveLength(1);
  });
});
