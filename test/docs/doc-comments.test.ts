import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { root } from "../support/programs.js";

const run = promisify(execFile);
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, { types?: string; default?: string }>;
};
const entries = Object.entries(exports).flatMap(([name, { types, default: file }]) =>
  types === undefined || file === undefined ? [] : [{ name, types, file }],
);

/** The doc comment and the parameters of each public function, from the declarations. */
const functions = await Promise.all(
  entries.map(async ({ name: entry, types }) => {
    const code = await import(join(root, types.replace(/\.d\.ts$/, ".js")));
    const names = Object.keys(code).filter((name) => typeof code[name] === "function");
    return names.map((name) => ({ entry, name, ...find(name, types) }));
  }),
).then((lists) => lists.flat());

function find(name: string, types: string) {
  const pattern = new RegExp(
    `(/\\*\\*(?:(?!\\*/).)*\\*/)\\nexport declare function ${name}(?:<.*?>)?\\((.*?)\\): `,
    "s",
  );
  // The entry's own file first: createManagementClient is in four of them.
  for (const file of [types, ...globSync("dist/**/*.d.ts", { cwd: root })]) {
    const [, comment, parameters] = pattern.exec(readFileSync(join(root, file), "utf8")) ?? [];
    if (comment !== undefined) {
      return { comment, parameters: parameters ?? "" };
    }
  }
  return { comment: "", parameters: "" };
}

describe("the doc comment of", () => {
  it.each(functions)("$name of $entry lists parameters, return value and errors", (found) => {
    const { comment, parameters } = found;
    expect(comment).toMatch(/@returns \S/);
    expect(comment).toMatch(/@throws \S/);
    expect(comment).toMatch(/@example\n \* ```ts\n/);
    const names = [...parameters.matchAll(/(?:^|, )(\w+)\??: /g)].map(([, name]) => name);
    expect([...comment.matchAll(/@param (\w+) \S/g)].map(([, name]) => name)).toEqual(names);
  });
});

it("every type and message that an entry exports has a doc comment", () => {
  const declared = globSync(["dist/**/*.d.ts", "gen/**/*.d.ts"], { cwd: root }).map((file) =>
    readFileSync(join(root, file), "utf8"),
  );
  const files = [...entries.map(({ types }) => types), "dist/client/common-exports.d.ts"];
  const names = files.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^export (type )?\{(.*?)\}/gms)].flatMap(
      ([, onlyTypes, list = ""]) =>
        list
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "" && (onlyTypes || name.startsWith("type ")))
          .map((name) => name.replace(/^type /, "")),
    ),
  );
  expect(names.length).toBeGreaterThan(40);
  // The generator writes the message's name into a comment of its own: that says nothing.
  const isDocumented = (name: string) =>
    declared.some((code) =>
      new RegExp(
        `/\\*\\*\\s+\\*? ?[^@\\s*](?:(?!\\*/).)*\\*/\\nexport (?:declare )?(?:type|interface|class) ${name}\\b`,
        "s",
      ).test(code),
    );
  expect(names.filter((name) => !isDocumented(name))).toEqual([]);
});

it("examples of doc comments compile", async () => {
  const folder = join(root, ".cache", "doc-comments");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  let count = 0;
  for (const { entry, name, comment } of functions) {
    const [, example = ""] = /@example\n \* ```ts\n(.*?) \* ```/s.exec(comment) ?? [];
    const file = `${entry.replace(/\W/g, "-")}${name}.mts`;
    await writeFile(join(folder, file), example.replace(/^ \* ?/gm, ""));
    count += 1;
  }
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false },
      include: ["*.mts"],
    }),
  );
  const { stdout } = await run("tsc", ["-p", folder]).catch((error) => error);
  expect([stdout, count]).toEqual(["", functions.length]);
});

it.each(entries)("the API reference has every function of $name", ({ name }) => {
  const file = name.replace(/^\.(?=\/|$)/, "docs/api/zitadel-user-grants");
  const text = readFileSync(join(root, `${file}.md`), "utf8");
  for (const found of functions.filter(({ entry }) => entry === name)) {
    expect(text, "npm run docs writes it").toContain(`### ${found.name}`);
  }
});
