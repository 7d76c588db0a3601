// Builds page.js or server.js with a bundler as it comes: `build.js <bundler> <page|server>`. What it
// takes for source maps to lead through the package's own is set; nothing else.
import { resolve } from "node:path";

const [bundler, side] = process.argv.slice(2);
const input = resolve(`${side}.js`);
const folder = resolve("out", bundler, side);
const isServer = side === "server";

/** What webpack and rspack have in common. */
const packer = {
  mode: "production",
  entry: input,
  target: isServer ? "node" : "web",
  devtool: "source-map",
  // For a server they write CommonJS.
  output: { path: folder, filename: isServer ? "out.cjs" : "out.js" },
  performance: { hints: false },
};

const builds = {
  async esbuild() {
    const { build } = await import("esbuild");
    await build({
      entryPoints: [input],
      bundle: true,
      minify: true,
      sourcemap: true,
      format: "esm",
      platform: isServer ? "node" : "browser",
      outfile: `${folder}/out.js`,
    });
  },

  async rollup() {
    const { rollup } = await import("rollup");
    const { nodeResolve } = await import("@rollup/plugin-node-resolve");
    const bundle = await rollup({
      input,
      plugins: [nodeResolve({ browser: !isServer, exportConditions: isServer ? ["node"] : [] })],
      external: [/^node:/],
    });
    await bundle.write({ dir: folder, entryFileNames: "out.js", sourcemap: true });
  },

  async vite() {
    const { build } = await import("vite");
    await build({
      logLevel: "warn",
      ssr: isServer ? { noExternal: true } : {},
      build: {
        ssr: isServer,
        sourcemap: true,
        outDir: folder,
        rollupOptions: { input, output: { entryFileNames: "out.js" } },
      },
    });
  },

  async webpack() {
    const { default: webpack } = await import("webpack");
    await packed(webpack(packer));
  },

  async rspack() {
    const { rspack } = await import("@rspack/core");
    await packed(rspack(packer));
  },
};

function packed(compiler) {
  return new Promise((done, fail) => {
    compiler.run((error, stats) => {
      if (error || stats.hasErrors()) {
        fail(error ?? new Error(stats.toString("errors-only")));
      } else {
        compiler.close(done);
      }
    });
  });
}

await builds[bundler]();
