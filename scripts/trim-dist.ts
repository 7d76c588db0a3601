// Takes out of dist/ the declarations that no entry's types lead to, and makes one file each of the command
// line tool and the sandbox, which are in no page: an install counts every small file as a whole block of the
// disk. The parser of CSV goes into the command line tool, without the tests that its package brings along.
import { copyFileSync, globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { build } from "esbuild";

process.chdir(join(import.meta.dirname, ".."));

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string | { types: string }>;
};

const reached = new Set<string>();

function reach(file: string): void {
  if (!file.startsWith("dist") || reached.has(file)) {
    return;
  }
  reached.add(file);
  for (const [, path = ""] of readFileSync(file, "utf8").matchAll(
    /(?:from|import\()\s*"(\.[^"]+)\.js"/g,
  )) {
    reach(join(dirname(file), `${path}.d.ts`));
  }
}

for (const entry of Object.values(exports)) {
  if (typeof entry === "object") {
    reach(join(entry.types));
  }
}

for (const file of globSync("dist/**/*.d.ts")) {
  if (!reached.has(file)) {
    rmSync(file);
  }
}

/**
 * Makes one file of a folder's modules. What they import from elsewhere stays imported, except for the
 * packages that are to be part of it.
 */
async function joinModules(folder: string, entry: string, included: string[] = []): Promise<void> {
  const inside = resolve(folder);
  const file = join(inside, entry);
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2024",
    // Papa Parse has streams of its own for Node, by require(), which this package does not use.
    define: { PAPA_BROWSER_CONTEXT: "true" },
    logLevel: "warning",
    plugins: [
      {
        name: "the rest of the package stays as it is",
        setup({ onResolve }) {
          onResolve({ filter: /^[^./]/ }, ({ path, importer }) =>
            included.includes(path) || !importer.startsWith(inside)
              ? undefined
              : { path, external: true },
          );
          onResolve({ filter: /^\./ }, ({ path, resolveDir }) => {
            const target = resolve(resolveDir, path);
            return target.startsWith(inside + sep)
              ? { path: target }
              : { path: relative(inside, target).split(sep).join("/"), external: true };
          });
        },
      },
    ],
  });
  for (const module of globSync(`${folder}/**/*.js`)) {
    if (resolve(module) !== file) {
      rmSync(module);
    }
  }
}

await joinModules("dist/cli", "bin.js", ["papaparse"]);
copyFileSync("node_modules/papaparse/LICENSE", "dist/cli/papaparse.LICENSE");
await joinModules("dist/sandbox", "index.js");
