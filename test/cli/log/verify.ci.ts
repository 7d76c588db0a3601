import { describe, expect, it } from "vitest";
import { logHarness } from "./harness.js";

const { add, begun, cli, file } = logHarness();

const findings = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text));

// A contradiction is read again for 10 s.
describe("verify", () => {
  it("reports contradictions, undecided grants, and grants without an outcome", async () => {
    const [there, unwritten, undecided] = add(3) as [string, string, string];
    const log = file(
      "contradicted.jsonl",
      begun(
        [there, "1", unwritten, undecided],
        `{"grantId":"${there}","status":"removed"}`,
        '{"grantId":"1","status":"removed"}',
        `{"request":"a-1","ids":["${unwritten}"]}`,
        '{"answer":"a-1","ok":true}',
      ),
    );
    const { exitCode, stdout, stderr } = await cli(["verify", log, "--json"]);
    expect(findings(stdout)).toEqual(
      expect.arrayContaining([
        { grantId: "1", expected: "none", shows: "none", verdict: "confirmed" },
        { grantId: there, expected: "none", shows: "active", verdict: "contradicted" },
        { grantId: unwritten, expected: "none", shows: "active", verdict: "contradicted" },
        { grantId: undecided, shows: "active", verdict: "undecided" },
      ]),
    );
    expect(stderr).toContain("2 NOT as reported (gives roles)");
    expect(exitCode).toBe(2);
  });
});
