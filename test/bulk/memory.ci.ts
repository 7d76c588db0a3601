import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const program = fileURLToPath(new URL("memory-program.js", import.meta.url));

/** The most heap in use while so many grants are removed, in megabytes. */
function heapMb(count: number, mode: "" | "distinct" | "distinct, lost"): number {
  const args = ["--expose-gc", program, String(count), mode];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" })) / 1e6;
}

it.each([
  ["duplicates are detected", "", 120],
  ["they are distinct", "distinct", 5],
  ["they are distinct, and every other response is lost", "distinct, lost", 5],
] as const)(
  "a million ids against ten thousand, when %s: at most so many MB more",
  (_, mode, mb) => {
    const count = mode === "distinct, lost" ? 200_000 : 1_000_000;
    expect(heapMb(count, mode) - heapMb(10_000, mode)).toBeLessThanOrEqual(mb);
  },
);
