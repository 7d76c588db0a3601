import { expect, it } from "vitest";
import type { Io } from "../../src/cli/io.js";
import { createReport } from "../../src/cli/progress.js";

it("never waits for a reader, and writes what comes at once in few writes", async () => {
  const written: string[] = [];
  const stdout = { write: (text: string) => written.push(text) < 0 };
  const lines = createReport(1, { quiet: true }, { stdout, stderr: stdout } as unknown as Io);
  const add = (text: string) => lines.add({ grantId: "1", status: "removed" }, {}, text);
  const texts = Array.from({ length: 200_000 }, (_, n) => `40098636346320${n}\tremoved`);
  for (const text of texts) {
    add(text);
  }
  await Promise.resolve();
  expect(written.length).toBeLessThan(100);
  add("soon after");
  await Promise.resolve();
  expect(written.at(-1)).toBe("soon after\n");
  add("at the end");
  lines.end();
  expect(written.join("")).toBe(`${[...texts, "soon after", "at the end"].join("\n")}\n`);
});
