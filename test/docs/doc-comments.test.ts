import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { root } from "../support/programs.js";

const run = promisify(execFile);
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, { types?: string } | null>;
};

/** The doc comment and the parameters of each public function, from the declarations. */
const functions = await Promise.all(
  Object.entries(exports).map(async ([entry, target]) => {
    const types = target?.types;
    const code = types && (await import(join(root, types.replace(/\.d\.ts$/, ".js"))));
    const names = Object.keys(code ?? {}).filter((name) => typeof code[name] === "function");
    return names.map((name) => ({ entry, name, ...find(name, types ?? "") }));
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

// That types and their members are documented, typedoc checks (npm run docs).
it("the doc comment of a public function lists parameters, return value and errors", () => {
  expect(functions.length).toBeGreaterThan(20);
  for (const { entry, name, comment, parameters } of functions) {
    const where = `${name} of ${entry}`;
    expect.soft(comment, where).toMatch(/@returns \S/);
    expect.soft(comment, where).toMatch(/@throws \S/);
    const names = [...parameters.matchAll(/(?:^|, )(\w+)\??: /g)].map(([, name]) => name);
    const documented = [...comment.matchAll(/@param (\w+) \S/g)].map(([, name]) => name);
    expect.soft(documented, where).toEqual(names);
  }
});

it("examples of doc comments compile", async () => {
  const folder = join(root, ".cache", "doc-comments");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { entry, name, comment } of functions) {
    const [, example] = /@example\n \* ```ts\n(.*?) \* ```/s.exec(comment) ?? [];
    if (example !== undefined) {
      const file = `${entry.replace(/\W/g, "-")}${name}.mts`;
      await writeFile(join(folder, file), example.replace(/^ \* ?/gm, ""));
    }
  }
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false },
    include: ["*.mts"],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const { stdout } = await run("tsc", ["-p", folder]).catch((error) => error);
  expect(stdout).toBe("");
});
