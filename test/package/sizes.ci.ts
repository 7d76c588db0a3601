import { brotliCompressSync } from "node:zlib";
import { expect, it } from "vitest";
import { bundlePage } from "../support/bundle.js";
import { figuresIn, tableOf } from "../support/figures.js";
import { importOf, pages } from "./pages.js";

const kilobytes = (bytes: number) => (bytes / 1000).toFixed(1);

it("the size of each entry in a page is that of docs/sizes.md", async () => {
  const rows: string[][] = [];
  for (const page of pages) {
    const { names, entry, maxBytes } = page;
    const code = importOf(page);
    const { text, gzipBytes } = await bundlePage(code);
    rows.push([
      `\`${names}\` of \`${entry}\``,
      kilobytes(text.length),
      kilobytes(gzipBytes),
      kilobytes(brotliCompressSync(text).length),
      kilobytes((await bundlePage(code, { splitting: false })).gzipBytes),
      kilobytes(maxBytes),
    ]);
  }
  const found = tableOf(
    [
      "a page with",
      "minified",
      "gzip -9",
      "brotli",
      "with all that is loaded later (gzip -9)",
      "budget (gzip -9)",
    ],
    rows,
  );
  const committed = figuresIn("sizes", "sizes", found);
  expect(withoutNumbers(committed), "WRITE_FIGURES=1 writes it").toBe(withoutNumbers(found));
  const numbers = (text: string) => [...text.matchAll(/\d+\.\d/g)].map(Number);
  const was = numbers(committed);
  for (const [index, is] of numbers(found).entries()) {
    // A few more lines, a dependency's next patch or another zlib are not news; the budgets are exact.
    expect(Math.abs(is - (was[index] ?? 0)), `${is} kB in place of ${was[index]}`).toBeLessThan(
      0.5 + is / 50,
    );
  }
});

function withoutNumbers(text: string): string {
  return text.replace(/\d+\.\d/g, "n");
}
