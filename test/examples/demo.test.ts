import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "../support/programs.js";

test("the demo reports what happened to each grant, in 80 columns", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["examples/demo.js"], {
    cwd: root,
    timeout: 20_000,
  });
  expect(stderr).toBe("");
  const lines = stdout.split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const found = lines.map((line) => line.trim().replace(/ {2,}/g, " "));
  for (const line of [
    "again, on v4 OK, still inactive",
    "again, on v2.70 FailedPrecondition COMMAND-1S9gx: User grant is not active",
    "bulkRemoveUserGrant NotFound COMMAND-1My0t: User grant not found",
    "She still has Billing, Portal",
    "removeUserGrants Wiki not-found",
    "She still has nothing",
    "removed 973, each confirmed by the server",
    "not found 2",
    "and answerLost 25: their request went out, and its response was lost.",
    "still active 0",
    "HTTP/JSON inactive",
  ]) {
    expect(found).toContain(line);
  }
});
