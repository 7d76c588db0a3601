import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type Finding, verifyLog } from "../../../src/cli/commands/verify.js";
import type { Lookup } from "../../../src/cli/grants/lookup.js";
import type { GrantRecord } from "../../../src/cli/grants/record.js";
import { LogContent } from "../../../src/cli/log/read.js";
import { FakeEnvironment } from "../../support/fake-environment.js";
import { logHarness } from "./harness.js";

const { add, begun, cli, file, newLog, server } = logHarness();

const count = 1200;
const ids = Array.from({ length: count }, (_, index) => String(1000 + index));
const removed = ids.map((grantId) => JSON.stringify({ grantId, status: "removed" }));
const grant = (grantId: string, state = "active") => ({ grantId, state }) as GrantRecord;

/** Verifies a log of 1,200 removed grants; `search` has what the organization has. */
async function verified(
  search: (queries: readonly unknown[], offset: number) => readonly GrantRecord[],
  there: readonly string[] = [],
  lines: readonly string[] = removed,
  mayReadAllGrants = async () => true,
) {
  const content = await LogContent.read(file("search.jsonl", begun(ids, ...lines)), "verify");
  const found = new Map<string, Finding>();
  const lookedUp: string[] = [];
  const lookup: Partial<Lookup> = {
    mayReadAllGrants,
    async searchGrants(queries, { offset, limit }) {
      const records = search(queries, offset);
      return { records: records.slice(offset, offset + limit), total: records.length };
    },
    async getGrant(_, grantId) {
      lookedUp.push(grantId);
      return there.includes(grantId) ? grant(grantId) : undefined;
    },
  };
  const options = {
    concurrency: 4,
    stopped: () => false,
    onFinding: (finding: Finding) => void found.set(finding.grantId, finding),
    onProgress: () => undefined,
    onSearch: () => undefined,
  };
  const environment = new FakeEnvironment();
  await environment.run(verifyLog(content, lookup as Lookup, options, environment));
  expect(found.size).toBe(count);
  return { found, lookedUp };
}

describe("a long log", () => {
  it("is compared with one search through the organization", async () => {
    const all = add(count);
    const log = newLog();
    await cli(["remove", ...all, "--yes", "--log", log]);
    server().addGrant();
    const { exitCode, stderr } = await cli(["verify", log, "--debug"]);
    expect(stderr).toContain("Reading all 1 grant of the organization");
    expect(stderr).toContain("1200 as reported: 1200 gone");
    expect(exitCode).toBe(0);
    expect(stderr).not.toMatch(/GET .*\/grants\//);
  });

  it("has each grant looked up of which the search says something else", async () => {
    const { found, lookedUp } = await verified(
      () => [grant("1007"), grant("1"), grant("1008")],
      ["1007"],
    );
    expect(found.get("1007")).toMatchObject({ verdict: "contradicted", found: "active" });
    expect(found.get("1008")).toMatchObject({ verdict: "confirmed", found: "gone" });
    expect(new Set(lookedUp)).toEqual(new Set(["1007", "1008"]));
  });

  it("is looked up grant by grant where the list changes while it is read", async () => {
    let more = 1100;
    const { found, lookedUp } = await verified(
      () => Array.from({ length: ++more }, (_, index) => grant(`x${index}`)),
      ["1003"],
    );
    expect(new Set(lookedUp).size).toBe(count);
    expect(found.get("1003")?.verdict).toBe("contradicted");
  });

  it("is looked up grant by grant where the organization has many more grants", async () => {
    const others = Array.from({ length: 200_000 }, (_, index) => grant(`x${index}`));
    expect((await verified(() => others)).lookedUp).toHaveLength(count);
  });

  it("is looked up grant by grant where the search fails", async () => {
    const { lookedUp } = await verified(() => {
      throw new ConnectError("broken", Code.Internal);
    });
    expect(lookedUp).toHaveLength(count);
    await expect(
      verified(() => {
        throw new ConnectError("no", Code.PermissionDenied);
      }),
    ).rejects.toThrow(/no/);
  });

  it.each([
    ["the account may read the grants of some projects only", async () => false],
    [
      "its permissions cannot be seen",
      async () => {
        throw new ConnectError("no such route", Code.NotFound);
      },
    ],
  ])("is looked up grant by grant where %s: others may be hidden", async (_, mayReadAll) => {
    const { found, lookedUp } = await verified(() => [], ["1007"], removed, mayReadAll);
    expect(new Set(lookedUp).size).toBe(count);
    expect(found.get("1007")).toMatchObject({ verdict: "contradicted", found: "active" });
  });

  it("has restored grants under their new ids", async () => {
    const lines = [
      ...removed,
      '{"grantId":"1001","restored":"restored","newGrantId":"77","state":"inactive"}',
      '{"grantId":"1002","restored":"restored","newGrantId":"78","state":"active"}',
    ];
    const { found, lookedUp } = await verified(
      () => [grant("77", "inactive"), grant("1002")],
      [],
      lines,
    );
    expect(found.get("77")).toMatchObject({ verdict: "confirmed", found: "inactive" });
    expect(found.get("78")).toMatchObject({ verdict: "contradicted", found: "gone" });
    expect(new Set(lookedUp)).toEqual(new Set(["78"]));
  });
});
