import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { grantsNeeded, type Result, type Surroundings } from "../runtimes/surroundings.js";
import type { SimpleBrowser } from "../support/browsers.js";
import { listen } from "../support/listen.js";
import { startRelay } from "../support/relay.js";
import type { InPage } from "./suite-page.js";

/** Runs the suite of all runtimes in a browser: in a page, a strict one, workers, and offline. */
export function describeBrowser(name: string, open: () => Promise<SimpleBrowser>): void {
  describe(name, () => {
    let browser: SimpleBrowser;
    let site: Site;

    beforeAll(async () => {
      [site, browser] = await Promise.all([startSite(), open()]);
    });
    afterAll(() => Promise.all([browser?.close(), site?.close()]));

    const run = async (where: keyof InPage, entry: string, path: string): Promise<unknown> => {
      await browser.goto(site.origin + path);
      const order = JSON.stringify({ entry, surroundings: site.surroundings(entry === "JSON") });
      return JSON.parse(
        await browser.evaluate(
          `suite.${where}(${order}).then((results) => JSON.stringify(results))`,
        ),
      );
    };

    const expectAllWell = (results: unknown) => {
      const failed = (results as Result[]).filter(({ error }) => error !== undefined);
      expect(failed).toEqual([]);
      expect((results as Result[]).length).toBeGreaterThan(7);
    };

    describe.each(["gRPC-web", "JSON"])("over %s to another origin", (entry) => {
      it("runs the suite in a page", async () => {
        expectAllWell(await run("page", entry, "/"));
      });

      it("runs the suite in a page with a strict Content-Security-Policy", async () => {
        expectAllWell(await run("page", entry, "/strict"));
      });

      it("runs the suite in a worker", async () => {
        expectAllWell(await run("worker", entry, "/"));
      });

      it("runs the suite in a service worker", async () => {
        expectAllWell(await run("serviceWorker", entry, "/"));
      });

      it("fails with Unavailable while offline, and works again once online", async () => {
        const outcomes = await run("offline", entry, "/");
        const unavailable = 14;
        expect(outcomes).toEqual(["COMMAND-1My0t", unavailable, "COMMAND-1My0t"]);
      });
    });
  });
}

interface Site {
  origin: string;
  surroundings: (hidesRequestId: boolean) => Surroundings;
  close: () => Promise<unknown>;
}

/** A web site with the suite in its pages, and on other origins the servers that it calls. */
async function startSite(): Promise<Site> {
  const sandbox = await startSandbox();
  const { token, orgId } = sandbox;
  const slow = await startSandbox({ token, orgId, requestLatencyMs: 60_000 });
  const gate = await startRelay(Number(new URL(sandbox.baseUrl).port));
  const script = await bundleSuite();
  const strict = [
    "default-src 'none'",
    "script-src 'self'",
    `connect-src ${gate.baseUrl} ${slow.baseUrl}`,
    "require-trusted-types-for 'script'",
  ].join("; ");
  const server = createServer(async ({ url }, response) => {
    switch (url) {
      case "/suite.js":
        response.setHeader("content-type", "text/javascript").end(script);
        break;
      case "/open":
        await gate.open();
        response.end();
        break;
      case "/shut":
        await gate.shut();
        response.end();
        break;
      default:
        if (url === "/strict") {
          response.setHeader("content-security-policy", strict);
        }
        response.setHeader("content-type", "text/html");
        response.end("<!doctype html><title>Suite</title><script src=/suite.js></script>");
    }
  });
  const { port, close } = await listen(server);
  return {
    origin: `http://127.0.0.1:${port}`,
    surroundings: (hidesRequestId) => ({
      baseUrl: gate.baseUrl,
      slowBaseUrl: slow.baseUrl,
      hidesRequestId,
      token,
      orgId,
      many: 30,
      grants: Array.from({ length: grantsNeeded({ many: 30 }) }, () => sandbox.addGrant()),
    }),
    close: () => Promise.all([close(), gate.shut(), sandbox.close(), slow.close()]),
  };
}

async function bundleSuite(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("suite-page.ts", import.meta.url))],
    bundle: true,
    format: "iife",
    platform: "browser",
    write: false,
    // Not this repository's, whose paths lead to the sources.
    tsconfigRaw: {},
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
