import { describe, expect, it } from "vitest";
import { IdSet } from "../../src/cli/id-set.js";

describe("a set of ids", () => {
  it("holds what a Set holds", () => {
    const ids = ["0", "00", "1", "01", "a", "400986363463207974", "999999999999999999", "-1"];
    const many = Array.from({ length: 5000 }, (_, index) =>
      String(400986363463207974n + BigInt((index + 1) * 65536)),
    );
    const set = new IdSet();
    for (const id of [...ids, ...many]) {
      expect(set.has(id)).toBe(false);
      expect(set.add(id)).toBe(true);
      expect(set.add(id)).toBe(false);
      expect(set.has(id)).toBe(true);
    }
    expect(set.size).toBe(ids.length + many.length);
    expect(set.has("2")).toBe(false);
  });
});
