// Takes out of dist/ the declarations that no entry's types lead to. An install counts every small file as
// a whole block of the disk.
import { globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

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
