import { describe, expect, it } from "vitest";
import { Source } from "../../src/bulk/source.js";
import { Stop } from "../../src/bulk/stop.js";
import { FakeEnvironment } from "../support/fake-environment.js";

function open(values: Iterable<string>, most: number, distinct = false) {
  const environment = new FakeEnvironment(1);
  return new Source(values, {
    read: (value) => ({ grant: { grantId: String(value) } }),
    distinct,
    bytesOf: () => 1,
    environment,
    stop: new Stop(environment),
    mostSeen: most,
  });
}

describe("detecting duplicate ids", () => {
  it("stops with an error that names the solution when there are more than a Set can hold", async () => {
    const { grants, failure } = await open(["1", "2", "2", "3", "4"], 3).gather(10, 100, false);
    expect(grants.map(({ grantId }) => grantId)).toEqual(["1", "2", "3"]);
    expect(failure?.error).toBeInstanceOf(RangeError);
    expect(String(failure?.error)).toContain("distinct: true");
  });

  it("is left to the caller that declares them distinct", async () => {
    const { grants, failure } = await open(["1", "2", "2", "3", "4"], 3, true).gather(
      10,
      100,
      false,
    );
    expect(grants).toHaveLength(5);
    expect(failure).toBeUndefined();
  });
});
