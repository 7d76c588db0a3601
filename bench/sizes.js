import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** A program that makes a client for the two methods, in a browser and in Node. */
const programs = {
  browser: {
    "zitadel-user-grants": `export { createManagementClient } from "zitadel-user-grants";`,
    "@zitadel/client": `export { createManagementServiceClient } from "@zitadel/client/v1";
      export { createClientTransport } from "@zitadel/client/web";`,
  },
  node: {
    "zitadel-user-grants": `export { createManagementClient } from "zitadel-user-grants";`,
    "@zitadel/client": `export { createManagementServiceClient } from "@zitadel/client/v1";
      export { createServerTransport } from "@zitadel/client/node";`,
    "@zitadel/node": `export { createManagementClient } from "@zitadel/node/dist/api/index.js";`,
  },
};

/** Kilobytes of these programs as esbuild bundles them, minified, and after gzip -9. */
export async function measureSizes() {
  const sizes = [];
  for (const [platform, byName] of Object.entries(programs)) {
    for (const [name, contents] of Object.entries(byName)) {
      const { outputFiles } = await build({
        stdin: { contents, resolveDir: import.meta.dirname },
        bundle: true,
        minify: true,
        format: "esm",
        platform,
        write: false,
        splitting: true,
        outdir: "out",
        // Not that of the folder above, whose paths lead to the sources.
        tsconfigRaw: {},
        logLevel: "error",
      });
      // What is imported only when it is needed does not count.
      const [{ contents: bytes }] = outputFiles;
      let total = bytes.length;
      let gzip = gzipSync(bytes, { level: 9 }).length;
      for (const { path, contents: chunk } of outputFiles.slice(1)) {
        if (importsStatically(outputFiles[0].text, path)) {
          total += chunk.length;
          gzip += gzipSync(chunk, { level: 9 }).length;
        }
      }
      sizes.push({ platform, name, minifiedKb: total / 1000, gzipKb: gzip / 1000 });
    }
  }
  return sizes;
}

function importsStatically(text, path) {
  const file = path.split("/").at(-1);
  return new RegExp(`(?:from|import)"\\./${file}"`).test(text);
}
