import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

describe("package.json", () => {
  it("satisfies publint", async () => {
    const { messages } = await publint({ pkgDir: root, strict: true });
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  it("satisfies attw for ESM-only packages", () => {
    // A pattern is not looked into: one file stands for all generated code.
    const { status, stdout } = spawnSync(
      "attw",
      ["--pack", ".", "--profile", "esm-only", "--format", "ascii", "--no-color"].concat(
        "--include-entrypoints",
        "gen/zitadel/management_pb.js",
        "gen/zitadel/management_pb",
      ),
      // Packing must not rebuild: other tests use dist/ meanwhile.
      { cwd: root, encoding: "utf8", env: { ...process.env, npm_config_ignore_scripts: "true" } },
    );
    expect(status, stdout).toBe(0);
    expect(stdout).toContain("zitadel-user-grants/gen/zitadel/management_pb.js");
  });

  it("names files that exist for every entry, with types beside them", () => {
    const targets = (entry: unknown): string[] =>
      typeof entry === "string" ? [entry] : Object.values(entry ?? {}).flatMap(targets);
    for (const target of Object.values(manifest.exports).flatMap(targets)) {
      if (!target.includes("*")) {
        expect(existsSync(`${root}${target}`), target).toBe(true);
      }
    }
  });

  it.each([
    ["gen/zitadel/management_pb", "gen/zitadel/management_pb.js"],
    ["gen/zitadel/management_pb.js", "gen/zitadel/management_pb.js"],
    ["proto/zitadel/management.proto", "proto/zitadel/management.proto"],
  ])("exports %s", (entry, file) => {
    const resolve = `console.log(import.meta.resolve("zitadel-user-grants/${entry}"))`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", resolve], {
      cwd: root,
      encoding: "utf8",
    });
    expect(stdout.trim()).toBe(new URL(file, `file://${root}`).href);
  });

  it.each(["gen/tool/management_pb.js", "gen/tool/management_pb", "proto/tool/user.proto"])(
    "keeps %s to itself",
    (entry) => {
      expect(() => import.meta.resolve(`zitadel-user-grants/${entry}`)).toThrow();
    },
  );

  it("has a command that can be run", () => {
    const [command] = Object.values(manifest.bin) as string[];
    expect(readFileSync(`${root}${command}`, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it("has no script that runs when it is installed from a registry or a tarball", () => {
    const scripts = Object.keys(manifest.scripts);
    expect(scripts.filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it("is not published without its repository's address", () => {
    const { status, stderr } = spawnSync("npm", ["run", "--silent", "prepublishOnly"], {
      cwd: root,
      encoding: "utf8",
    });
    const { repository } = manifest;
    expect([status, stderr]).toEqual(
      repository ? [0, ""] : [1, expect.stringContaining('"repository": {')],
    );
  });

  it("has scripts that run on Windows", () => {
    for (const [name, script] of Object.entries(manifest.scripts)) {
      expect(script, name).not.toMatch(/\b(?:rm|cp|mv|mkdir|cat|sed|export)\b |'|\$|`/);
    }
  });
});

describe("the tarball", () => {
  const [{ files }] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);

  it("holds the build, the generated code, the protos, docs and examples, and nothing else", () => {
    const meant =
      /^(?:dist\/.+\.(?:js|d\.ts)|dist\/cli\/papaparse\.LICENSE|gen\/.+_pb\.(?:js|d\.ts)|proto\/.+\.proto|schema\/.+\.json|docs\/.+\.(?:md|svg)|examples\/(?!.*node_modules).+|package\.json|[A-Z_]+\.md|LICENSE)$/;
    expect(paths.filter((path) => !meant.test(path))).toEqual([]);
    for (const needed of [
      "dist/index.js",
      "dist/index.web.js",
      "dist/index.d.ts",
      "dist/cli/bin.js",
      "dist/cli/papaparse.LICENSE",
      "gen/zitadel/management_pb.js",
      "proto/zitadel/management.proto",
      "schema/sandbox-seed.json",
      "LICENSE",
    ]) {
      expect(paths).toContain(needed);
    }
  });

  it("holds whatever its documents link to", () => {
    for (const path of paths.filter((path) => path.endsWith(".md"))) {
      const text = readFileSync(`${root}${path}`, "utf8").replace(/^```.*?^```$/gms, "");
      for (const [, link = ""] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const target = posix.join(posix.dirname(path), link).replace(/\/$/, "");
        expect(
          paths.some((there) => there === target || there.startsWith(`${target}/`)),
          `${path} links to ${link}`,
        ).toBe(true);
      }
    }
  });

  it("holds no module without code", () => {
    const modules = paths.filter((path) => /^dist\/.*\.js$/.test(path));
    const empty = modules.filter(
      (path) => readFileSync(`${root}${path}`, "utf8").trim() === "export {};",
    );
    expect(empty).toEqual([]);
  });

  it("holds what its documents' links to headings name", () => {
    const slug = (heading: string) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-");
    let checked = 0;
    for (const path of paths.filter((path) => path.endsWith(".md") && !/^docs\/api/.test(path))) {
      const text = readFileSync(`${root}${path}`, "utf8").replace(/^```.*?^```$/gms, "");
      for (const [, link = "", anchor = ""] of text.matchAll(
        /\]\((?!https?:)([^)#\s]*)#([^)]+)/g,
      )) {
        const target = link === "" ? path : posix.join(posix.dirname(path), link);
        const headings = readFileSync(`${root}${target}`, "utf8").matchAll(/^#+ (.+)$/gm);
        expect(
          [...headings].map(([, heading = ""]) => slug(heading)),
          path,
        ).toContain(anchor);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(10);
  });

  it("holds examples that are projects of their own", () => {
    const named = readFileSync(`${root}examples/README.md`, "utf8").matchAll(/\]\(([\w-]+)\)/g);
    for (const [, name] of named) {
      for (const file of ["README.md", "package.json", "tsconfig.json"]) {
        expect(paths).toContain(`examples/${name}/${file}`);
      }
    }
  });

  it("has a guide for contributors that names what exists", () => {
    const guide = readFileSync(`${root}CONTRIBUTING.md`, "utf8");
    const named = [...guide.matchAll(/`((?:src|test|scripts|docs|bench|gen)\/[\w./-]*)`/g)];
    expect(named.length).toBeGreaterThan(20);
    for (const [, path = ""] of named) {
      expect(existsSync(`${root}${path}`), path).toBe(true);
    }
  });

  it("has no types of Node in its declarations, so that browser projects compile", () => {
    for (const path of paths.filter((path) => path.endsWith(".d.ts"))) {
      const code = readFileSync(`${root}${path}`, "utf8").replace(/\/\*\*.*?\*\//gs, "");
      expect(code, path).not.toMatch(/"node:|\bNodeJS\./);
    }
  });

  it("names no folder of a machine", () => {
    for (const path of paths.filter((p) => /\.(js|ts|map|json)$/.test(p))) {
      expect(readFileSync(`${root}${path}`, "utf8"), path).not.toMatch(
        /(?:\/home\/|\/work\/|\/root\/|[A-Z]:\\\\)/,
      );
    }
  });
});
