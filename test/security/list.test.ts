import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("SECURITY.md", root), "utf8");

/** The sentences under "What is promised", each with the file that it names. */
function promises(): { sentence: string; file: string }[] {
  const [, section = ""] = /^## What is promised\n(.*?)^## /ms.exec(page) ?? [];
  const items = section.split("\n").filter((line) => line !== "" && !line.startsWith("**"));
  return items.map((line) => {
    const [, sentence, file] = /^- (.+) \(`(test\/security\/[\w.-]+)`\)$/.exec(line) ?? [];
    if (sentence === undefined || file === undefined) {
      throw new Error(`no promise with the file of its test: ${line}`);
    }
    return { sentence, file };
  });
}

const titles = (file: string) =>
  [...readFileSync(new URL(file, root), "utf8").matchAll(/^test\(\s*"((?:[^"\\]|\\.)*)"/gm)].map(
    ([, title = ""]) => JSON.parse(`"${title}"`) as string,
  );

test("each sentence of SECURITY.md is the name of a test in the file that it names", () => {
  const listed = promises();
  expect(listed.length).toBeGreaterThan(15);
  for (const { sentence, file } of listed) {
    expect(titles(file), file).toContain(sentence);
  }
});

test("each test of a promise is listed in SECURITY.md", () => {
  const files = readdirSync(new URL("test/security/", root)).filter((name) =>
    name.startsWith("promises"),
  );
  const tested = files.flatMap((name) => titles(`test/security/${name}`));
  expect(tested.sort()).toEqual(
    promises()
      .map(({ sentence }) => sentence)
      .sort(),
  );
});
