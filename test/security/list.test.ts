import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("each sentence that SECURITY.md promises is a test of promises.test.ts, and each test is such a sentence", () => {
  const [, section = ""] = /^## What is promised\n(.*?)^## /ms.exec(read("SECURITY.md")) ?? [];
  const promises = [...section.matchAll(/^- (.+)$/gm)].map(([, sentence]) => sentence);
  const titles = read("test/security/promises.test.ts").matchAll(/^test\("(.*?)", /gm);
  expect([...titles].map(([, title]) => title)).toEqual(promises);
});
