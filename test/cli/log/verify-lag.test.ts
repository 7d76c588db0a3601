import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { type Finding, verifyLog } from "../../../src/cli/commands/verify.js";
import type { Lookup } from "../../../src/cli/grants/lookup.js";
import type { GrantRecord } from "../../../src/cli/grants/record.js";
import { LogContent } from "../../../src/cli/log/read.js";
import { FakeEnvironment } from "../../support/fake-environment.js";
import { logHarness } from "./harness.js";

const { begun, file } = logHarness();

const active = { state: "active" } as GrantRecord;

async function verified(
  getGrant: Lookup["getGrant"],
  environment = new FakeEnvironment(),
  count = 1,
) {
  const ids = Array.from({ length: count }, (_, index) => String(index + 1));
  const outcomes = ids.map((grantId) => JSON.stringify({ grantId, status: "removed" }));
  const content = await LogContent.read(file("lag.jsonl", begun(ids, ...outcomes)), "verify");
  const found: Finding[] = [];
  const options = {
    concurrency: 2,
    stopped: () => false,
    onFinding: (finding: Finding) => void found.push(finding),
    onProgress: () => undefined,
    onSearch: () => undefined,
  };
  await environment.run(verifyLog(content, { getGrant } as Lookup, options, environment));
  return found;
}

describe("a contradiction", () => {
  it("is read again for 10 s, since the read model lags", async () => {
    const time = new FakeEnvironment();
    const [finding] = await verified(
      async () => (time.monotonicMs() < 9000 ? active : undefined),
      time,
    );
    expect(finding?.verdict).toBe("confirmed");
    expect(time.monotonicMs()).toBeLessThanOrEqual(10_000);
  });

  it("stays one after that", async () => {
    const time = new FakeEnvironment();
    let reads = 0;
    const [finding] = await verified(async () => {
      reads += 1;
      return time.monotonicMs() < 10_001 ? active : undefined;
    }, time);
    expect(finding).toMatchObject({ verdict: "contradicted", found: "active" });
    expect(time.monotonicMs()).toBe(10_000);
    expect(reads).toBeLessThan(10);
  });
});

describe("a grant that cannot be looked up", () => {
  it("is reported as such", async () => {
    const found = await verified(
      async (_, grantId) => {
        if (grantId === "2") {
          throw new ConnectError("broken", Code.Internal);
        }
        return undefined;
      },
      undefined,
      3,
    );
    expect(found.map(({ verdict }) => verdict).toSorted()).toEqual([
      "confirmed",
      "confirmed",
      "unverified",
    ]);
  });

  it("is not one of many: then there is no connection", async () => {
    const down = async () => {
      throw new ConnectError("down", Code.Unavailable);
    };
    await expect(verified(down, undefined, 100)).rejects.toThrow(/down/);
  });
});
