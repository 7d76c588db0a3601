import { describe, expect, it } from "vitest";
import { bundlePage } from "../support/bundle.js";

const page = (entry: string, name = "createManagementClient") =>
  `import { ${name} } from "${entry}"; globalThis.run = ${name};`;

/** What a page may cost, minified and gzip -9, and what must not be in it. 1 kB is 1,000 bytes. */
const budgets = [
  {
    entry: "zitadel-user-grants",
    code: page("zitadel-user-grants"),
    maxBytes: 34_000,
    forbidden: [/\/sandbox\//, /\/auth\//, /\/bulk\//, /connect-node/, /connect-web/],
  },
  {
    entry: "zitadel-user-grants/grpc-web",
    code: page("zitadel-user-grants/grpc-web"),
    maxBytes: 34_000,
    forbidden: [/\/sandbox\//, /\/auth\//, /\/bulk\//, /connect-node/, /connect-web/],
  },
  {
    entry: "zitadel-user-grants/json",
    code: page("zitadel-user-grants/json"),
    maxBytes: 36_000,
    forbidden: [/\/sandbox\//, /\/auth\//, /\/bulk\//, /connect-node/, /connect-web/],
  },
  {
    entry: "zitadel-user-grants/auth",
    code: page("zitadel-user-grants/auth", "signIn"),
    maxBytes: 15_000,
    forbidden: [
      /\/sandbox\//,
      /\/jose\//,
      /\/auth\/(?:service-user|client-credentials|grant|key-file|private-key)\./,
      /protobuf/,
    ],
  },
  {
    entry: "zitadel-user-grants/bulk",
    code: page("zitadel-user-grants/bulk", "removeUserGrants"),
    maxBytes: 17_000,
    forbidden: [/\/sandbox\//, /\/auth\//, /\/transports\//, /\/client\./, /connect-node/],
  },
];

describe("a page with", () => {
  it.each(budgets)("$entry stays within $maxBytes bytes", async ({ code, maxBytes, forbidden }) => {
    const { text, gzipBytes, inputs } = await bundlePage(code);
    expect(gzipBytes).toBeLessThanOrEqual(maxBytes);
    expect(text).not.toMatch(/["'`]node:|require\(/);
    for (const pattern of forbidden) {
      const found = Object.entries(inputs).filter(
        ([file, bytes]) => bytes > 0 && pattern.test(file),
      );
      expect(found).toEqual([]);
    }
  });

  it.each(["zitadel-user-grants", "zitadel-user-grants/grpc-web", "zitadel-user-grants/json"])(
    "a client of %s is one file: a service worker has no import()",
    async (entry) => {
      for (const name of ["createManagementClient", "createTransport"]) {
        const split = await bundlePage(page(entry, name));
        const whole = await bundlePage(page(entry, name), { splitting: false });
        expect(split.text).not.toMatch(/\bimport\s*\(/);
        expect(split.text).toBe(whole.text);
      }
    },
  );
});
