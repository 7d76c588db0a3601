import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { startHttpServer } from "../support/http-server.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** An authorization server whose token responses a test writes. */
async function startIssuer(respond: (response: ServerResponse, request: number) => void) {
  let requests = 0;
  const { baseUrl: issuer } = await startHttpServer(({ url }, response) => {
    response.setHeader("content-type", "application/json");
    if (url === "/token") {
      respond(response, ++requests);
    } else if (url === "/requests") {
      response.end(String(requests));
    } else {
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token` }));
    }
  });
  return issuer;
}

const issue = (response: ServerResponse, token: string) =>
  void response.end(JSON.stringify({ access_token: token, token_type: "Bearer", expires_in: 600 }));

/** Runs a program against the built package until it ends by itself. */
async function runProgram(issuer: string, fetch: string, code: string) {
  const program = `
    import { clientCredentials } from "zitadel-user-grants/auth";
    import { createFetch } from "zitadel-user-grants/grpc";
    // No attempt is cut off: what holds the program up holds it for good.
    const { setTimeout } = globalThis;
    globalThis.setTimeout = (callback, delayMs, ...args) =>
      delayMs === 10_000 ? { unref() {}, ref() {} } : setTimeout(callback, delayMs, ...args);
    const source = clientCredentials({
      issuer: ${JSON.stringify(issuer)},
      clientId: "service",
      clientSecret: "a secret of the test",
      fetch: ${fetch},
    });
    ${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 50_000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  await once(child, "close");
  return { exitCode: child.exitCode, output };
}

describe.each([
  ["the platform's fetch", "undefined"],
  ["createFetch", "createFetch()"],
])("with %s", { timeout: 60_000 }, (_, fetch) => {
  it("a background renewal without a response does not keep the process alive", async () => {
    const issuer = await startIssuer((response, request) => {
      if (request === 1) {
        issue(response, "first");
      } else {
        // Never ended.
        response.flushHeaders();
      }
    });
    const ended = await runProgram(
      issuer,
      fetch,
      `
      await source();
      const { now } = performance;
      performance.now = () => now.call(performance) + 590_000;
      // Due for renewal.
      console.log(await source());
      const requests = () => fetch("${issuer}/requests").then((response) => response.json());
      while ((await requests()) < 2);`,
    );
    expect(ended).toEqual({ exitCode: 0, output: "first\n" });
  });

  it("a program that waits for its first token gets it", async () => {
    const issuer = await startIssuer((response) => void setTimeout(issue, 50, response, "late"));
    const ended = await runProgram(issuer, fetch, "console.log(await source());");
    expect(ended).toEqual({ exitCode: 0, output: "late\n" });
  });
});
