import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
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
      ),
      { cwd: root, encoding: "utf8" },
    );
    expect(status, stdout).toBe(0);
    expect(stdout).toContain("zitadel-user-grants/gen/zitadel/management_pb.js");
  });

  it("names files that exist for every entry, with types beside them", () => {
    const targets = (entry: unknown): string[] =>
      typeof entry === "string" ? [entry] : Object.values(entry as object).flatMap(targets);
    for (const target of Object.values(manifest.exports).flatMap(targets)) {
      if (!target.includes("*")) {
        expect(existsSync(`${root}${target}`), target).toBe(true);
      }
    }
  });

  it("has a command that can be run", () => {
    const [command] = Object.values(manifest.bin) as string[];
    expect(readFileSync(`${root}${command}`, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it("has no script that runs at install", () => {
    expect(Object.keys(manifest.scripts)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$|^prepare$/)]),
    );
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

  it("holds the build with its sources in its maps, the generated code, the protos, and papers", () => {
    const meant =
      /^(?:dist\/.+\.(?:js|d\.ts)(?:\.map)?|gen\/.+_pb\.(?:js|d\.ts)|proto\/.+\.proto|package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/;
    expect(paths.filter((path) => !meant.test(path))).toEqual([]);
    for (const needed of [
      "dist/index.js",
      "dist/index.web.js",
      "dist/index.d.ts",
      "dist/cli/bin.js",
      "dist/index.js.map",
      "gen/zitadel/management_pb.js",
      "proto/zitadel/management.proto",
      "LICENSE",
    ]) {
      expect(paths).toContain(needed);
    }
  });

  it("has no types of Node in its declarations, so that browser projects compile", () => {
    for (const path of paths.filter((path) => path.endsWith(".d.ts"))) {
      expect(readFileSync(`${root}${path}`, "utf8"), path).not.toMatch(/"node:|\bNodeJS\./);
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
