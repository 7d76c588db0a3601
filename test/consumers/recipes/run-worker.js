// Runs worker.ts in workerd with two requests at once, and prints what they got.
import process from "node:process";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const { bindings, orders } = JSON.parse(process.argv[2]);
const { outputFiles } = await build({
  entryPoints: ["worker.ts"],
  external: ["cloudflare:*"],
  bundle: true,
  format: "esm",
  platform: "browser",
  conditions: ["workerd", "worker", "browser"],
  write: false,
});
const miniflare = new Miniflare({
  modules: true,
  script: outputFiles[0].text,
  compatibilityDate: "2026-06-01",
  bindings,
});
const responses = orders.map(async (order) => {
  const body = JSON.stringify(order);
  const response = await miniflare.dispatchFetch("http://worker/", { method: "POST", body });
  return response.text();
});
console.log(JSON.stringify(await Promise.all(responses)));
await miniflare.dispose();
