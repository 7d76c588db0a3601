// After tsc: the command line tool and the sandbox, which are in no page, become few files, so that they start
// faster and an install is smaller. What the sandbox alone needs of another package becomes part of it: JSON Web
// Tokens. The library stays as tsc wrote it, but for declarations that no entry leads to.
import { execFileSync } from "node:child_process";
import { copyFileSync, globSync, readFileSync, rmSync } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import process from "node:process";
import { build } from "rolldown";

const included = { jose: "dist/sandbox" };
const packages = Object.keys(included).map((name) => resolve("node_modules", name));
const isWithin = (folder: string, file: string) => file.startsWith(folder + sep);

for (const entry of ["dist/cli/bin.js", "dist/sandbox/index.js"]) {
  const folder = resolve(entry, "..");
  const { output } = await build({
    input: entry,
    platform: "node",
    external: (id) =>
      isAbsolute(id)
        ? ![folder, ...packages].some((one) => isWithin(one, id))
        : !id.startsWith(".") && !(id in included),
    output: { dir: folder, chunkFileNames: "[name].js" },
  });
  keep("**/*.js", folder, new Set(output.map(({ fileName }) => join(folder, fileName))));
}
for (const [name, folder] of Object.entries(included)) {
  const [license = ""] = globSync("LICENSE*", { cwd: resolve("node_modules", name) });
  copyFileSync(resolve("node_modules", name, license), `${folder}/${name}.LICENSE`);
}

const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, { types?: string } | null>;
};
const types = Object.values(exports).flatMap((entry) => entry?.types ?? []);
const compiler = resolve("node_modules/typescript/bin/tsc");
const args = [compiler, "--listFilesOnly", "--ignoreConfig", "--module", "nodenext", ...types];
const listed = execFileSync(process.execPath, args, { encoding: "utf8" }).split("\n");
keep("**/*.d.ts", resolve("dist"), new Set(listed.map((file) => resolve(file.trim()))));

function keep(pattern: string, folder: string, files: ReadonlySet<string>): void {
  for (const file of globSync(pattern, { cwd: folder })) {
    if (!files.has(join(folder, file))) {
      rmSync(join(folder, file));
    }
  }
}
