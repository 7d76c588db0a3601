// The command line tool is few files, and CSV's parser, which would bring 200 kB of its own tests into every
// install, is part of them. The library stays as tsc wrote it.
import { copyFileSync } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import { build } from "rolldown";

const tool = resolve("dist/cli");
const parser = resolve("node_modules/papaparse");
const isWithin = (folder: string, file: string) => file.startsWith(folder + sep);
await build({
  input: join(tool, "bin.js"),
  platform: "node",
  external: (id) =>
    isAbsolute(id)
      ? !isWithin(tool, id) && !isWithin(parser, id)
      : !id.startsWith(".") && id !== "papaparse",
  output: { dir: tool, cleanDir: true, chunkFileNames: "[name].js" },
});
copyFileSync(join(parser, "LICENSE"), join(tool, "papaparse.LICENSE"));
