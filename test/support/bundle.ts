import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Bundles a page's code against the built package, as a browser project would. */
export async function bundlePage(code: string): Promise<{
  text: string;
  gzipBytes: number;
  /** The files that contribute to it, with the bytes each contributes. */
  inputs: Record<string, number>;
}> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: root, sourcefile: "page.js" },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
    outfile: "page.js",
    // Not this repository's, whose paths lead to the sources.
    tsconfigRaw: {},
    logLevel: "silent",
  });
  const text = outputFiles[0]?.text ?? "";
  const [output] = Object.values(metafile.outputs);
  return {
    text,
    gzipBytes: gzipSync(text, { level: 9 }).length,
    inputs: Object.fromEntries(
      Object.entries(output?.inputs ?? {}).map(([file, { bytesInOutput }]) => [
        file,
        bytesInOutput,
      ]),
    ),
  };
}
