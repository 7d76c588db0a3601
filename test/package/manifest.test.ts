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

  it("holds the build, the generated code, the protos and schemas, and nothing else", () => {
    const meant =
      /^(?:dist\/.+\.(?:js|d\.ts)|dist\/sandbox\/jose\.LICENSE|gen\/.+_pb\.(?:js|d\.ts)|proto\/.+\.proto|schema\/.+\.json|package\.json|(?:README|CHANGELOG|SECURITY)\.md|LICENSE)$/;
    expect(paths.filter((path) => !meant.test(path))).toEqual([]);
    for (const needed of [
      "dist/index.js",
      "dist/index.web.js",
      "dist/index.d.ts",
      "dist/cli/bin.js",
      "gen/zitadel/management_pb.js",
      "proto/zitadel/management.proto",
      "schema/sandbox-seed.json",
      "LICENSE",
    ]) {
      expect(paths).toContain(needed);
    }
  });

  it("holds the declarations that its entries lead to, without types of Node", () => {
    const entries = Object.values(manifest.exports as Record<string, { types?: string } | null>);
    const reached = new Set(
      entries.flatMap((entry) => (entry?.types ? [posix.normalize(entry.types)] : [])),
    );
    for (const path of reached) {
      expect(paths).toContain(path);
      const code = readFileSync(`${root}${path}`, "utf8").replace(/\/\*\*.*?\*\//gs, "");
      // Projects for browsers have none.
      expect(code, path).not.toMatch(/"node:|\bNodeJS\./);
      for (const [, target = ""] of code.matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g)) {
        reached.add(posix.join(posix.dirname(path), `${target}.d.ts`));
      }
    }
    expect(reached.size).toBeGreaterThan(30);
  });

  it("names no folder of a machine", () => {
    for (const path of paths.filter((p) => /\.(js|ts|map|json)$/.test(p))) {
      expect(readFileSync(`${root}${path}`, "utf8"), path).not.toMatch(
        /(?:\/home\/|\/work\/|\/root\/|[A-Z]:\\\\)/,
      );
    }
  });
});
