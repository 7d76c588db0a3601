import { describe, expect, it } from "vitest";
import { LostRequests } from "../../src/bulk/lost-requests.js";

const keys = Array.from({ length: 1000 }, (_, index) => String(index));

describe("a large request whose response was lost", () => {
  it("is settled with its last grant, and costs little until then", () => {
    const lost = new LostRequests();
    lost.lost(keys);
    const undecided = new Set(keys);
    let lookups = 0;
    const isUndecided = (key: string) => {
      lookups += 1;
      return undecided.has(key);
    };
    for (const key of keys) {
      undecided.delete(key);
      const isLast = undecided.size === 0;
      expect(lost.doubt(key, isUndecided)).toBe(isLast ? "final" : "open");
      expect(lost.decided([key], isUndecided).size).toBe(isLast ? keys.length : 0);
    }
    expect(lookups).toBeLessThan(10 * keys.length);
  });

  it("is disproved by any of its grants, whichever are decided", () => {
    const lost = new LostRequests();
    lost.lost(keys);
    lost.lost(["0", "x"]);
    expect(lost.found(["500", "501"])).toEqual(new Set(keys));
    expect(lost.found(["502"])).toEqual(new Set());
    expect(lost.doubt("1", () => false)).toBe("none");
    expect(lost.doubt("0", (key) => key === "x")).toBe("open");
    expect(lost.doubt("0", () => false)).toBe("final");
    expect(lost.found(["x"])).toEqual(new Set(["0", "x"]));
    expect(lost.mayHaveChanged("0")).toBe(false);
  });
});
