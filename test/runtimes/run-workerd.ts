// Runs the suite in workerd and writes what came out as JSON: `run-workerd.ts <entry> <surroundings>`.
import process from "node:process";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const [entry = "", surroundings = ""] = process.argv.slice(2);
// The entry that is meant for Node is here to see that it is still rejected.
const needsNode = entry.endsWith("/grpc");
const { outputFiles } = await build({
  entryPoints: ["worker.ts"],
  alias: { "the-entry": entry },
  bundle: true,
  format: "esm",
  platform: "browser",
  conditions: ["workerd", "worker", "browser"],
  external: needsNode ? ["node:*"] : [],
  write: false,
});
const miniflare = new Miniflare({
  modules: true,
  script: outputFiles[0]?.text ?? "",
  compatibilityDate: "2026-06-01",
  compatibilityFlags: needsNode ? ["nodejs_compat"] : [],
});
const response = await miniflare.dispatchFetch("http://suite/", {
  method: "POST",
  body: surroundings,
});
console.log(await response.text());
await miniflare.dispose();
