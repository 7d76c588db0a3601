import { describe, expect, it } from "vitest";
import { bundlePage } from "../support/bundle.js";
import { importOf, pages } from "./pages.js";

describe("a page with", () => {
  it.each(pages)("$names of $entry stays within $maxBytes bytes", async (page) => {
    const { text, gzipBytes, inputs } = await bundlePage(importOf(page));
    expect.soft(gzipBytes).toBeLessThanOrEqual(page.maxBytes);
    expect(text).not.toMatch(/["'`]node:|require\(/);
    const unwanted = Object.entries(inputs).filter(
      ([file, bytes]) => bytes > 0 && page.without?.test(file),
    );
    expect(unwanted).toEqual([]);
  });

  it.each(["zitadel-user-grants", "zitadel-user-grants/grpc-web", "zitadel-user-grants/json"])(
    "a client of %s is one file: a service worker has no import()",
    async (entry) => {
      for (const name of ["createManagementClient", "createTransport"]) {
        const code = importOf({ names: name, entry });
        const split = await bundlePage(code);
        const whole = await bundlePage(code, { splitting: false });
        expect(split.text).not.toMatch(/\bimport\s*\(/);
        expect(split.text).toBe(whole.text);
      }
    },
  );
});
