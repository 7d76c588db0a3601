// Takes out of dist/ the declarations that no entry's types lead to and the modules that hold types alone,
// and makes few files of what the same entries need, and of the command line tool, the sandbox and native
// gRPC, which are in no page: a program loads few files faster, and an install counts every small file as a
// whole block of the disk. The parser of CSV goes into the command line tool, without the tests of its
// package.
import { copyFileSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { build } from "esbuild";

process.chdir(join(import.meta.dirname, ".."));

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string | { types: string } | null>;
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
  if (typeof entry === "object" && entry !== null) {
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

/** An import of another module of dist/; the second group tells that it is loaded later. */
const imports = /(\bfrom\s+|\bimport\s*(\(?)\s*)"(\.[^"]+)"/g;

/** The modules that a module of dist/ imports at once, and those that it loads later. */
function importsOf(module: string) {
  const found = { atOnce: new Set<string>(), later: new Set<string>() };
  // What an example in a comment imports is no import of the module.
  const code = readFileSync(module, "utf8").replace(/^\s*\*.*$/gm, "");
  for (const [, , later, path = ""] of code.matchAll(imports)) {
    const file = join(dirname(module), path);
    if (file.startsWith("dist")) {
      found[later ? "later" : "atOnce"].add(file);
    }
  }
  return found;
}

/** For each module, what loads it at once: some entries, and modules that are loaded later. */
function rootsOfModules(entries: readonly string[]): Map<string, string[]> {
  const rootsOf = new Map<string, string[]>();
  const roots = new Set(entries);
  // Those that are found on the way come after the others.
  for (const root of roots) {
    const loaded = new Set([root]);
    for (const module of loaded) {
      const { atOnce, later } = importsOf(module);
      for (const file of atOnce) {
        loaded.add(file);
      }
      // What a transport loads later needs nothing of which the transport has no part.
      for (const file of module.startsWith("dist/transports/") ? [] : later) {
        roots.add(file);
      }
      rootsOf.set(module, [...(rootsOf.get(module) ?? []), root]);
    }
  }
  return rootsOf;
}

/**
 * Joins modules of a client that are needed by the same of its halves and of the entries that a page may load
 * without it: in Node, each file costs a third of a millisecond, and no page gets a module more.
 */
async function joinShared(): Promise<void> {
  const halves = ["dist/index.js", "dist/index.web.js"];
  const others = [
    "dist/json.js",
    "dist/auth/sign-in/sign-in.js",
    "dist/auth/service-user/service-user.js",
    "dist/auth/index.js",
    "dist/bulk/index.js",
  ];
  const rootsOf = rootsOfModules([...halves, ...others]);
  const groups = new Map<string, string[]>();
  for (const [module, roots] of rootsOf) {
    // What entries export whole must not become more.
    if (
      halves.every((half) => roots.includes(half)) &&
      module !== "dist/client/common-exports.js"
    ) {
      groups.set(roots.join(), [...(groups.get(roots.join()) ?? []), module]);
    }
  }
  const moved = new Map<string, string>();
  for (const modules of groups.values()) {
    const [first = ""] = modules;
    for (const module of modules.length > 1 ? modules : []) {
      moved.set(module, join("dist/shared", basename(first)));
    }
  }
  await joinTo(moved);
}

/** Joins modules to files; the rest of dist/ imports those instead. */
async function joinTo(moved: ReadonlyMap<string, string>): Promise<void> {
  const redirected = (importer: string, path: string, from = importer) => {
    const target = join(dirname(importer), path);
    return pathFrom(resolve(dirname(from)), resolve(moved.get(target) ?? target));
  };
  for (const outfile of new Set(moved.values())) {
    const modules = [...moved.keys()].filter((module) => moved.get(module) === outfile);
    await build({
      stdin: {
        contents: modules.map((module) => `export * from "./${module}";`).join("\n"),
        resolveDir: process.cwd(),
      },
      outfile,
      bundle: true,
      format: "esm",
      platform: "neutral",
      target: "es2024",
      logLevel: "warning",
      plugins: [
        {
          name: "the rest of the package stays as it is",
          setup({ onResolve }) {
            onResolve({ filter: /^[^./]/ }, ({ path }) => ({ path, external: true }));
            onResolve({ filter: /^\./ }, ({ path, importer }) => {
              const from = relative(process.cwd(), importer);
              return modules.includes(join(dirname(from), path))
                ? undefined
                : { path: redirected(from, path, outfile), external: true };
            });
          },
        },
      ],
    });
  }
  for (const module of globSync("dist/**/*.js")) {
    if (moved.has(module)) {
      rmSync(module);
    } else {
      const text = readFileSync(module, "utf8");
      writeFileSync(
        module,
        text.replace(imports, (found, before: string, _, path: string) =>
          moved.has(join(dirname(module), path)) ? `${before}"${redirected(module, path)}"` : found,
        ),
      );
    }
  }
}

await joinShared();
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
