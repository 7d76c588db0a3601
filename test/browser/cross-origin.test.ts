import { createServer } from "node:http";
import { Code } from "@connectrpc/connect";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { pageOf } from "../support/bundle.js";
import { launchChromium } from "../support/chromium.js";
import { type Listening, listen } from "../support/listen.js";
import type { Scenarios } from "./page.js";

let browser: Browser;
let site: Listening;
let sandbox: SandboxServer;
let slow: SandboxServer;
let page: Page;
/** What Chromium's network stack says of CORS: empty while every preflight passes. */
let corsFailures: unknown[];

beforeAll(async () => {
  const html = await pageOf(new URL("page.ts", import.meta.url));
  site = await listen(
    createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end(html);
    }),
  );
  [browser, sandbox, slow] = await Promise.all([
    launchChromium(),
    startSandbox(),
    startSandbox({ requestLatencyMs: 60_000 }),
  ]);
});

afterAll(async () => {
  await Promise.all([browser, sandbox, slow, site].map((one) => one?.close()));
});

beforeEach(async () => {
  page = await browser.newPage();
  corsFailures = [];
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.loadingFailed", (event) => {
    if (event.corsErrorStatus !== undefined) {
      corsFailures.push(event);
    }
  });
  await page.goto(`http://127.0.0.1:${site.port}/`);
  return async () => {
    expect(corsFailures).toEqual([]);
    await page.close();
  };
});

/** Calls a scenario within the page. */
function inPage<N extends keyof Scenarios>(
  name: N,
  ...args: Parameters<Scenarios[N]>
): Promise<Awaited<ReturnType<Scenarios[N]>>> {
  return page.evaluate(
    ([name, args]) =>
      // biome-ignore lint/suspicious/noExplicitAny: what crosses into the page has no types there.
      (globalThis as any).scenarios[name as string](...(args as unknown[])),
    [name, args] as const,
  );
}

describe.each(["gRPC-web", "JSON"] as const)(
  "a web page on another origin, over %s,",
  (protocol) => {
    const options = (target: SandboxServer) => ({
      protocol,
      baseUrl: target.baseUrl,
      token: target.token,
      orgId: target.orgId,
    });

    it("deactivates a grant, with a deadline that is never sent", async () => {
      const grant = sandbox.addGrant();
      expect(await inPage("deactivate", options(sandbox), grant, 10_000)).toEqual({ ok: true });
      expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
    });

    it("removes grants", async () => {
      const grants = [sandbox.addGrant().grantId, sandbox.addGrant().grantId];
      expect(await inPage("remove", options(sandbox), grants)).toEqual({ ok: true });
      expect(grants.map((id) => sandbox.grant(id))).toEqual([undefined, undefined]);
    });

    it("sees the error id, and the request id if it is exposed", async () => {
      const grant = { userId: "1", grantId: "999999999999999999" };
      expect(await inPage("deactivate", options(sandbox), grant)).toMatchObject({
        ok: false,
        code: Code.NotFound,
        id: "COMMAND-3M9sd",
        message: "User grant not found",
        notFound: true,
        // ZITADEL's JSON routes do not expose it to other origins.
        requestId: protocol === "JSON" ? undefined : expect.stringMatching(/./),
      });
    });

    it("settles a call at its deadline", async () => {
      const grant = slow.addGrant();
      expect(await inPage("deactivate", options(slow), grant, 50)).toMatchObject({
        ok: false,
        code: Code.DeadlineExceeded,
      });
    });

    it("cancels a call by an abort, with the reason as cause", async () => {
      const grant = slow.addGrant();
      expect(await inPage("abort", options(slow), grant)).toMatchObject({
        ok: false,
        code: Code.Canceled,
        cause: "the manager left",
      });
    });
  },
);
