import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { type Imports, importsOf, readImports, violations } from "./imports.js";
import { layers } from "./rules.js";

const imports = readImports();

describe("the layers of src/", () => {
  it("are kept by every import", () => {
    expect(violations(imports, layers)).toEqual([]);
  });

  it("are read from all that imports: the facade, types, what is loaded later, what is passed on", () => {
    expect(imports.get("grpc.ts")).toContain("client/client.ts");
    expect(imports.get("client/close.ts")).toEqual([]);
    const text = `
      import type { A } from "../client/client.js";
      import { b, type C } from "./b.js";
      export * from "./all.js";
      export { d } from "./d.js";
      export type { E } from "../../gen/e_pb.js";
      const lazy = () => import("./lazy.js");
      const plain = () => import(\`./plain.js\`);
      type F = import("../bulk/f.js").F;
      const g = require("./g.js");
      import h = require("./h.js");
      const worker = new URL("./worker.js", import.meta.url);
      const data = new URL("../../package.json", import.meta.url);
    `;
    expect(importsOf("transports/x.ts", text).sort()).toEqual([
      "bulk/f.ts",
      "client/client.ts",
      "gen/e_pb.js",
      "transports/all.ts",
      "transports/b.ts",
      "transports/d.ts",
      "transports/g.ts",
      "transports/h.ts",
      "transports/lazy.ts",
      "transports/plain.ts",
      "transports/worker.ts",
    ]);
    expect(importsOf("cli/x.tsx", 'const x = <a href={import("../y.js")}/>')).toEqual(["y.ts"]);
    for (const code of ["import(name)", 'import("./a" + name)', "require(name)"]) {
      expect(() => importsOf("common/x.ts", code), code).toThrow("not a literal");
    }
  });

  it("have files in every room, and entries alone at the top", async () => {
    const generated = readdirSync("gen", { recursive: true }).map((file) => `gen/${file}`);
    const files = [...imports.keys(), ...generated];
    const rooms = layers.flat().map(({ path }) => path);
    expect(rooms.filter((path) => !files.some((file) => file.startsWith(path)))).toEqual([]);
    const manifest = await readFile("package.json", "utf8");
    const top = files.filter((file) => !file.includes("/")).map((file) => file.slice(0, -3));
    expect(top.filter((name) => !manifest.includes(`./dist/${name}.js"`))).toEqual([]);
  });

  it("are made of chapters, which have 450 lines at most", () => {
    const long = [...imports.keys()].filter(
      (file) => readFileSync(`src/${file}`, "utf8").split("\n").length > 451,
    );
    expect(long).toEqual([]);
  });

  it("are shown in CONTRIBUTING.md as they are", () => {
    const text = readFileSync(new URL("../../CONTRIBUTING.md", import.meta.url), "utf8");
    const [, shown = ""] = /<!-- layers -->\n\n```\n(.*?)```/s.exec(text) ?? [];
    const drawn = layers.map((rooms) => rooms.map(({ path }) => path).join("   ")).reverse();
    expect(shown.trimEnd().split("\n")).toEqual(drawn);
  });
});

const platformCalls =
  /(?<![.\w])(?:set(?:Timeout|Interval|Immediate)\((?!\))|(?:performance|Date)\.now|Math\.random|AbortSignal\.timeout|new Date\(\))/g;

it("clocks, timers and randomness of the platform are in common/time.ts, and nowhere else", () => {
  const users = [...imports.keys()].filter((file) => {
    const text = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8");
    return text.replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "").match(platformCalls) !== null;
  });
  expect(users).toEqual(["common/time.ts"]);
});

describe("an import is found that", () => {
  const found = (file: string, ...targets: string[]) =>
    violations(new Map([...imports, [file, targets]]) as Imports, layers).join("\n");

  it.each([
    ["runs upwards", "options/checker.ts", "transports/call/codec.ts", "imports upwards"],
    ["leads to another room of the same layer", "bulk/pace.ts", "auth/index.ts", "another room"],
    ["leads to Node where pages load it", "common/a.ts", "node:fs", "where there is no Node"],
    ["leads to a package for Node", "common/a.ts", "@connectrpc/connect-node", "is no Node"],
    ["leads around the rooms", "common/a.ts", "zitadel-user-grants/json", "stands in no room"],
    ["leads to what is built", "common/a.ts", "../dist/index.js", "stands in no room"],
    ["leads to its own file", "common/a.ts", "common/a.ts", "a circle: common/a.ts → common/a.ts"],
  ])("%s", (_, file, target, message) => {
    expect(found(file, target)).toContain(message);
  });

  it("stands in a file without a room", () => {
    for (const file of ["elsewhere.ts", "auth.ts", "page.tsx", "transports/x.ts"]) {
      expect(found(file)).toContain(`${file} stands in no room`);
    }
  });
});
