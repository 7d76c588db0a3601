import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../support/programs.js";

/** Words of an earlier dialect, and the standard term for each. Matched in prose, not in code. */
const terms: readonly (readonly [pattern: RegExp, use: string])[] = [
  [/\banswer(s|ed|ing)?\b/i, "response, respond"],
  [/\bnobody\b|\bsomebody\b/i, "the user, the caller, another user, no caller"],
  [/\bonce more\b|\bmade again\b/i, "retry, again"],
  [/\bpassing reason\b/i, "transient failure"],
  [/\bstand-in\b/i, "sandbox, fake server"],
  [/\bfor want of\b/i, "because … is missing"],
  [/\b(hands?|handed|handing) on\b|\bgiv(es?|en|ing) out\b/i, "pass on, issue"],
  [/\btak(es?|en|ing) [\w ]{0,20}access away\b/i, "revoke"],
  [/\bthat (is|are) none\b|\bwhat is none\b/i, "malformed, invalid, not a …"],
  [/\bservers of 20\d\d\b/i, "ZITADEL v4 and later"],
  [/\banew\b/i, "again, new"],
  [/\bgoodbye\b/i, "GOAWAY"],
  [/\bshall\b/i, "must, would"],
  [/\brefus(es?|ed|als?|ing)\b/i, "reject"],
];

/** Prose in which a listed word is the right one. */
const legitimate = [
  // What TCP, HTTP/2 and Node call it.
  /connections? (are )?refused|refused connection|ECONNREFUSED|REFUSED_STREAM/i,
  /refuse(s|d)? (the|a) (stream|call|request)\b|(server|that it reports as) refuse[sd]|refused (by the server|on another one)/i,
  // The option of a token source, the keys of outcomes and logs, and the placeholder for "no TLS".
  /`refused`|answersLost|`answer`|"answer"/,
];

function wrongTerms(prose: string): string[] {
  const rest = legitimate.reduce(
    (text, pattern) => text.replace(new RegExp(pattern, "gi"), ""),
    prose,
  );
  return terms.flatMap(([pattern, use]) => {
    const found = pattern.exec(rest);
    return found ? [`"${found[0]}" in "${prose.trim()}": use ${use}`] : [];
  });
}

function files(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: root, exclude: (path) => /node_modules/.test(path) });
}

const everyCode = () =>
  files("{src,test,bench,examples,scripts}/**/*.{ts,tsx,js}", "proto/**/*.proto");

/** Lines of comments; those of one block together, since sentences run over lines. */
function comments(code: string): string[] {
  const blocks = [...code.matchAll(/^\s*\/\*\*?\s(.*?)\*\//gms)].map(([, text = ""]) =>
    text.replace(/\n\s*\*/g, " "),
  );
  const lines = [...code.matchAll(/(?:^|\s)\/\/ (.*)/g)].map(([, text = ""]) => text);
  return [...blocks, ...lines].map((text) => text.replace(/\s+/g, " "));
}

/** Titles of tests; those of the rows of a table, and of scenarios and faults, as well. */
function titles(code: string): string[] {
  const calls = code.matchAll(
    /^\s*(?:it|describe|test)(?:\.\w+)*(?:\(|[^"`\n]*\)\()\s*(["`])(.*?)\1/gm,
  );
  const rows = code.matchAll(/^\s*(?:\{ )?(?:\[|(?:title|name):)\s*(["`])([^"`]* [^"`]*)\1,/gm);
  return [...calls, ...rows].map(([, , title = ""]) => title);
}

/** Text that users read, without code. */
function prose(markdown: string): string[] {
  return markdown
    .replace(/```.*?```/gs, "")
    .split("\n")
    .map((line) => line.replace(/`[^`]*`/g, ""));
}

function check(paths: readonly string[], texts: (content: string) => string[]): string[] {
  return paths.flatMap((path) => {
    const content = readFileSync(join(root, path), "utf8");
    return texts(content).flatMap((text) => wrongTerms(text).map((wrong) => `${path}: ${wrong}`));
  });
}

describe("the standard terms are used", () => {
  it("in comments of the code", () => {
    const code = everyCode();
    expect(code.length).toBeGreaterThan(550);
    expect(check(code, comments)).toEqual([]);
  });

  it("in test titles", () => {
    const tests = files("test/**/*.ts");
    expect(
      tests.flatMap((path) => titles(readFileSync(join(root, path), "utf8"))).length,
    ).toBeGreaterThan(900);
    expect(check(tests, titles)).toEqual([]);
  });

  it("in names", () => {
    // What a person types may be called so; the log's key stays, so that older logs can be read.
    const excluded =
      /^(src\/cli\/terminal\.ts|(src|test)\/cli\/log\/.*|test\/docs\/wording\.test\.ts)$/;
    const names = (path: string) =>
      [...readFileSync(join(root, path), "utf8").matchAll(/\b\w*answer\w*/gi)]
        .map(([name]) => name)
        .filter((name) => !/^answers?Lost$/.test(name))
        .map((name) => `${path}: ${name}`);
    expect(names("src/cli/terminal.ts").length).toBeGreaterThan(0);
    const code = everyCode().filter((path) => !excluded.test(path));
    expect(code.flatMap(names)).toEqual([]);
  });

  it("in documents", () => {
    const documents = files("*.md", "docs/*.md", "examples/**/*.md");
    expect(documents).toContain("README.md");
    expect(check(documents, prose)).toEqual([]);
  });

  it.each([
    ["a word of the table", "The server's answer came.", 1],
    ["a word of the table in its other forms", "It refused and nobody handed on anything.", 3],
    ["a legitimate use", "Connection refused, or REFUSED_STREAM.", 0],
  ])("%s is judged: %s", (_, text, count) => {
    expect(wrongTerms(text)).toHaveLength(count);
  });

  it("comments and titles are found in code", () => {
    const code =
      '/** One\n * two. */\nf(); // three\n// four\nit("five", f);\nit.each([1])("six", f);\ndescribe(`seven`, f);\n  ["the eighth", 1],\n  { name: "the ninth",';
    expect(comments(code).map((text) => text.trim())).toEqual(["One two.", "three", "four"]);
    expect(titles(code)).toEqual(["five", "six", "seven", "the eighth", "the ninth"]);
  });
});
