import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("memory-program.js", import.meta.url));

/** The most heap in use while so many grants are removed, in megabytes. */
function heapMb(count: number, distinct: boolean): number {
  const output = execFileSync(
    process.execPath,
    ["--expose-gc", program, String(count), String(distinct)],
    { encoding: "utf8" },
  );
  return Number(output) / 1e6;
}

describe("a million ids from a generator, against ten thousand", () => {
  it("take at most 120 MB more when duplicates are detected", () => {
    expect(heapMb(1_000_000, false) - heapMb(10_000, false)).toBeLessThanOrEqual(120);
  });

  it("take at most 5 MB more when they are distinct", () => {
    expect(heapMb(1_000_000, true) - heapMb(10_000, true)).toBeLessThanOrEqual(5);
  });
});
