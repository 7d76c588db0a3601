import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Bundles a page's code against the built package, as a browser project would: what is imported when it is
 * needed goes into files of its own, which do not count, or with `splitting: false` into the same.
 */
export async function bundlePage(
  code: string,
  { splitting = true } = {},
): Promise<{
  text: string;
  gzipBytes: number;
  /** The files that contribute to it, with the bytes each contributes. */
  inputs: Record<string, number>;
}> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: root, sourcefile: "page.js" },
    absWorkingDir: root,
    bundle: true,
    splitting,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
    outdir: "page",
    // Not this repository's, whose paths lead to the sources.
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const { outputs } = metafile;
  const loaded = new Set<string>();
  const load = (path: string) => {
    if (!loaded.has(path)) {
      loaded.add(path);
      for (const { path: next, kind } of outputs[path]?.imports ?? []) {
        if (kind === "import-statement") {
          load(next);
        }
      }
    }
  };
  load(Object.keys(outputs).find((path) => outputs[path]?.entryPoint !== undefined) ?? "");
  const texts = outputFiles
    .filter(({ path }) => loaded.has(relative(root, path)))
    .map(({ text }) => text);
  return {
    text: texts.join("\n"),
    // Each is a file of its own on the wire.
    gzipBytes: texts.reduce((sum, text) => sum + gzipSync(text, { level: 9 }).length, 0),
    inputs: Object.fromEntries(
      [...loaded].flatMap((path) =>
        Object.entries(outputs[path]?.inputs ?? {}).map(([file, { bytesInOutput }]) => [
          file,
          bytesInOutput,
        ]),
      ),
    ),
  };
}

/** A page with a script of the tests, in TypeScript, that imports the built package by its name. */
export async function pageOf(script: URL): Promise<string> {
  const { code } = await transform(await readFile(script, "utf8"), { loader: "ts" });
  const { text } = await bundlePage(code, { splitting: false });
  const inline = text.replaceAll("</script", "<\\/script");
  return `<!doctype html><script type="module">${inline}</script>`;
}
