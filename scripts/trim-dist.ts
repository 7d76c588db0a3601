// Takes out of dist/ what nobody can use: declarations that no entry's types lead to, source maps of what
// is in no bundle, and in the other maps all but where each line comes from. An install counts every small
// file as a whole block of the disk.
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { decode, encode } from "@jridgewell/sourcemap-codec";

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

for (const file of globSync("dist/{cli,sandbox}/**/*.js")) {
  rmSync(`${file}.map`);
  writeFileSync(file, readFileSync(file, "utf8").replace(/\/\/# sourceMappingURL=.*\s*$/, ""));
}

for (const file of globSync("dist/**/*.js.map")) {
  const map = JSON.parse(readFileSync(file, "utf8")) as { mappings: string; names: string[] };
  const lines = decode(map.mappings).map((segments) =>
    segments
      .filter((segment) => segment.length > 1)
      .slice(0, 1)
      .map(([column, ...source]) => [column, ...source.slice(0, 3)] as (typeof segments)[number]),
  );
  writeFileSync(file, JSON.stringify({ ...map, names: [], mappings: encode(lines) }));
}
