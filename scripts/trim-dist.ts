// Takes out of dist/ the declarations that no entry's types lead to and the modules that hold types alone,
// and makes few files of the command line tool, the sandbox and native gRPC, which are in no page: an install
// counts every small file as a whole block of the disk. The parser of CSV goes into the command line tool,
// without the tests of its package.
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

interface JoinSettings {
  /** Packages that become part of it. */
  included?: string[];
  /** A module that stays a file of its own, since others import it. */
  kept?: string;
}

/**
 * Makes few files of a folder's modules: one for each entry, and what they share. What they import from
 * elsewhere stays imported.
 */
async function joinModules(
  folder: string,
  entries: string[],
  { included = [], kept }: JoinSettings = {},
): Promise<void> {
  const inside = resolve(folder);
  const keptFile = kept && join(inside, kept);
  const { metafile } = await build({
    entryPoints: entries.map((entry) => join(inside, entry)),
    outdir: inside,
    allowOverwrite: true,
    bundle: true,
    splitting: entries.length > 1,
    chunkNames: "shared-[hash]",
    format: "esm",
    platform: "node",
    target: "es2024",
    // Papa Parse has streams of its own for Node, by require(), which this package does not use.
    define: { PAPA_BROWSER_CONTEXT: "true" },
    logLevel: "warning",
    metafile: true,
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
            return target.startsWith(inside + sep) && target !== keptFile
              ? { path: target }
              : { path: pathFrom(inside, target), external: true };
          });
        },
      },
    ],
  });
  const written = new Set(Object.keys(metafile.outputs).map((file) => resolve(file)));
  for (const module of globSync(`${folder}/**/*.js`)) {
    if (!written.has(resolve(module)) && resolve(module) !== keptFile) {
      rmSync(module);
    }
  }
}

function pathFrom(folder: string, file: string): string {
  const path = relative(folder, file).split(sep).join("/");
  return path.startsWith(".") ? path : `./${path}`;
}

await joinModules("dist/cli", ["bin.js"], { included: ["papaparse"] });
copyFileSync("node_modules/papaparse/LICENSE", "dist/cli/papaparse.LICENSE");
await joinModules("dist/sandbox", ["index.js"]);
await joinModules("dist/transports/grpc", ["transport.js", "node-fetch.js"], {
  // For the tool's `doctor`.
  kept: "connections/proxy.js",
});

const code = new Map(globSync("dist/**/*.js").map((file) => [file, readFileSync(file, "utf8")]));
const imported = new Set(
  [...code].flatMap(([file, text]) =>
    [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path = ""]) =>
      join(dirname(file), path),
    ),
  ),
);
for (const [file, text] of code) {
  if (text.trim() === "export {};" && !imported.has(file)) {
    rmSync(file);
  }
}
