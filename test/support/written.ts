import { readFile, writeFile } from "node:fs/promises";
import { expect } from "vitest";

const begin = "<!-- written by the tests -->";
const end = "<!-- end -->";

/**
 * Checks what a page of documentation says between its two marks against what a run found, so that the
 * page cannot go stale. With UPDATE_DOCS=1 in the environment the page is written instead.
 */
export async function expectWritten(page: URL, found: string): Promise<void> {
  const text = await readFile(page, "utf8");
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  expect(to, `${page.pathname} has the marks "${begin}" and "${end}"`).toBeGreaterThan(from);
  if (process.env.UPDATE_DOCS === "1") {
    await writeFile(page, `${text.slice(0, from)}\n\n${found.trim()}\n\n${text.slice(to)}`);
  } else {
    expect(text.slice(from, to).trim(), `${page.pathname}: UPDATE_DOCS=1 writes it`).toBe(
      found.trim(),
    );
  }
}

/** A table in Markdown. */
export function table(head: string[], rows: string[][]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
