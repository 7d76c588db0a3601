// Runs a worker in workerd whose requests overlap, leave early and meet expired tokens, and writes what came
// out as JSON: `run-overlapping.ts <entry> <serviceUser | clientCredentials>`.
import process from "node:process";
import { build } from "esbuild";
import { Miniflare, fetch as passOn, type Request, Response } from "miniflare";
import { startSandbox } from "zitadel-user-grants/sandbox";
import type { Result } from "./surroundings.ts";

/** What the worker knows of its surroundings. */
export interface Bindings {
  baseUrl: string;
  sourceName: string;
  key: string;
  clientSecret: { clientId: string; clientSecret: string };
}

/** What one request asks of the worker. */
export interface Order {
  userId: string;
  grantId: string;
  /** Whether the worker responds without waiting for its call. */
  leavesEarly?: boolean;
}

const [entry = "", sourceName = ""] = process.argv.slice(2);
const sandbox = await startSandbox();
const { outputFiles } = await build({
  entryPoints: ["overlapping-worker.ts"],
  alias: { "the-entry": entry },
  external: ["cloudflare:*"],
  bundle: true,
  format: "esm",
  platform: "browser",
  conditions: ["workerd", "worker", "browser"],
  write: false,
});

/** Holds the requests for tokens while it is closed. */
let gate = Promise.withResolvers<void>();
let onCallBegun = () => {};
const bindings: Bindings = {
  baseUrl: sandbox.baseUrl,
  sourceName,
  key: JSON.stringify(sandbox.addKey()),
  clientSecret: sandbox.addClientSecret(),
};
const miniflare = new Miniflare({
  modules: true,
  script: outputFiles[0]?.text ?? "",
  compatibilityDate: "2026-06-01",
  bindings: { ...bindings },
  outboundService: async (request: Request): Promise<Response> => {
    const { host, pathname } = new URL(request.url);
    if (host === "runner") {
      onCallBegun();
      return new Response();
    }
    if (pathname === "/oauth/v2/token") {
      await gate.promise;
    }
    return passOn(request);
  },
});

/** Begins a request; resolves once its call is under way, to what will come of it. */
async function begin(leavesEarly = false): Promise<{ outcome: Promise<string> }> {
  const begun = Promise.withResolvers<void>();
  onCallBegun = begun.resolve;
  const order: Order = { ...sandbox.addGrant(), leavesEarly };
  const outcome = miniflare
    .dispatchFetch("http://worker/", { method: "POST", body: JSON.stringify(order) })
    .then((response) => response.text());
  await Promise.race([begun.promise, outcome]);
  return { outcome };
}

const results: Result[] = [];
async function check(title: string, body: () => Promise<string[]>, expected: string[]) {
  gate = Promise.withResolvers();
  const outcomes = await body();
  const isRight = outcomes.join() === expected.join();
  results.push(isRight ? { title } : { title, error: outcomes.join(" | ") });
}

const overlapping = async () => {
  const requests = [await begin(), await begin(), await begin()];
  gate.resolve();
  return Promise.all(requests.map(({ outcome }) => outcome));
};
const deactivated = Array(3).fill("deactivated");
const afterOneLeft = async () => {
  const left = await begin(true);
  const outcome = await left.outcome;
  gate.resolve();
  const next = await begin();
  return [outcome, await next.outcome];
};

await check("a request that leaves while the first token is requested", afterOneLeft, [
  "left",
  "deactivated",
]);
sandbox.expireTokens();
await check("requests overlap, and the token has expired", overlapping, deactivated);
await check("requests overlap, and share a token", overlapping, deactivated);
sandbox.expireTokens();
await check("a request that leaves while an expired token is renewed", afterOneLeft, [
  "left",
  "deactivated",
]);
console.log(JSON.stringify(results));
await miniflare.dispose();
await sandbox.close();
