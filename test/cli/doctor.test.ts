import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { makeCertificate } from "../support/certificates.js";
import { type JsonReply, startJsonServer } from "./json-server.js";
import { run } from "./run.js";

let sandbox: SandboxServer;
beforeEach(async () => {
  sandbox = await startSandbox();
});
afterEach(() => sandbox.close());

const doctor = (env: Record<string, string> = {}, argv: string[] = []) =>
  run(["doctor", ...argv], {
    env: {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_ORG_ID: sandbox.orgId,
      ...env,
    },
  });

describe("doctor", () => {
  it("checks everything and finds no problem", async () => {
    const { exitCode, stdout } = await doctor();
    expect(stdout.replace(/^(ok|FAIL) +(\S+).*$/gm, "$1 $2")).toBe(
      `${[
        ...["connection", "account", "grpc", "grpc-web", "json"],
        ...["remove", "deactivate", "read"],
      ]
        .map((title) => `ok ${title}\n`)
        .join("")}\nAll checks passed.\n`,
    );
    expect(exitCode).toBe(0);
    expect(await doctor({}, ["--quiet"])).toMatchObject({ exitCode: 0, stdout: "" });
  });

  it.each([
    [
      "a name that is not known",
      { ZITADEL_URL: "https://zitadel.invalid" },
      /FAIL {2}connection .*ENOTFOUND zitadel\.invalid.*Check --url, DNS, VPN/,
    ],
    [
      "a token that is not known",
      { ZITADEL_TOKEN: "nonsense" },
      /FAIL {2}account .*AUTH-7fs1e.*unknown or has expired/,
    ],
    [
      "an unknown organization",
      { ZITADEL_ORG_ID: "7" },
      /FAIL {2}account .*AUTH-Bs7Ds.*does not exist/,
    ],
  ])("names %s", async (_, env, message) => {
    const { exitCode, stdout } = await doctor(env);
    expect(stdout).toMatch(message);
    expect(exitCode).toBe(4);
  });

  it("names a port without TLS", async () => {
    const { exitCode, stdout } = await doctor({
      ZITADEL_URL: sandbox.baseUrl.replace("http:", "https:"),
    });
    expect(stdout).toMatch(/FAIL {2}connection .*does not speak TLS on this port/);
    expect(exitCode).toBe(4);
  });

  it("names a host that is not an instance", async () => {
    const { stdout } = await doctor({
      ZITADEL_URL: sandbox.baseUrl.replace("localhost", "127.0.0.1"),
    });
    expect(stdout).toMatch(/FAIL {2}connection .*give --instance-host/);
  });

  it("distinguishes a missing role from a role that lacks the permission", async () => {
    const nobody = await doctor({ ZITADEL_TOKEN: sandbox.addUser().token });
    expect(nobody.stdout).toMatch(/FAIL {2}remove .*AUTHZ-cdgFk.*no manager role/);
    const viewer = await doctor({
      ZITADEL_TOKEN: sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token,
    });
    expect(viewer.stdout).toMatch(/FAIL {2}remove .*AUTH-5mWD2.*role lacks/);
  });

  it("names a token without the audience of ZITADEL's APIs", async () => {
    const { userId } = sandbox.addUser({ roles: ["ORG_OWNER"] });
    const { stdout } = await doctor({
      ZITADEL_TOKEN: sandbox.addToken({ userId, audience: false }),
    });
    expect(stdout).toMatch(/AUTH-7fs1e.*urn:zitadel:iam:org:project:id:zitadel:aud/);
  });

  it.each([
    ["an authority that is not known", {}, /FAIL {2}connection .*: set NODE_EXTRA_CA_CERTS/],
    ["a certificate that has expired", { notAfter: new Date(0) }, /FAIL {2}connection .*renew/],
  ])("names %s", async (_, dates, message) => {
    const { cert, key } = makeCertificate({
      name: "localhost",
      dnsNames: ["localhost"],
      notBefore: new Date(-1000),
      ...dates,
    });
    const server = createTlsServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const { port } = server.address() as AddressInfo;
    const { exitCode, stdout } = await doctor({ ZITADEL_URL: `https://localhost:${port}` });
    server.close();
    expect(stdout).toMatch(message);
    expect(exitCode).toBe(4);
  });

  /** Something that looks like ZITADEL over JSON alone; `withBody` tells whether a DELETE keeps its body. */
  async function jsonOnly(withBody: boolean) {
    const bodies: Record<string, unknown> = {
      "/auth/v1/users/me": { user: { id: "1" } },
      "/management/v1/orgs/me": { org: { id: sandbox.orgId, name: "Org" } },
      "/management/v1/users/grants/_search": { details: {} },
    };
    const error = (status: number, code: number, id: string) => ({
      status,
      body: {
        ...{ code, message: id },
        details: [{ "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id, message: id }],
      },
    });
    return await startJsonServer(({ path, body, headers }) => {
      const reply = !headers.authorization
        ? { status: 401, body: { code: 16, message: "auth header missing" } }
        : path.endsWith("_bulk")
          ? withBody && body?.grantId?.length > 0
            ? error(404, 5, "COMMAND-1My0t")
            : error(400, 3, "COMMAND-5M0sd")
          : path.endsWith("_deactivate")
            ? error(404, 5, "COMMAND-3M9sd")
            : bodies[path] === undefined
              ? { status: 404, headers: { "content-type": "text/plain" }, body: "" }
              : { body: bodies[path] };
      return reply;
    });
  }

  it("names the protocols that a proxy does not pass", async () => {
    const server = await jsonOnly(true);
    const { exitCode, stdout } = await doctor({ ZITADEL_URL: server.baseUrl }, [
      ...["--protocol", "json"],
    ]);
    await server.close();
    expect(stdout).toMatch(/ok {4}grpc-web .*does not work, and is not used/);
    expect(stdout).toMatch(/ok {4}json +works/);
    expect(stdout).toMatch(/ok {4}remove/);
    expect(exitCode).toBe(0);
  });

  it("names a proxy that drops the body of a DELETE", async () => {
    const server = await jsonOnly(false);
    const url = { ZITADEL_URL: server.baseUrl };
    const { exitCode, stdout } = await doctor(url, ["--protocol", "json"]);
    expect(stdout).toMatch(/FAIL {2}json .*drops the body of a DELETE/);
    expect(exitCode).toBe(4);
    const dryRun = await run(["remove", "1", "--no-record", "--dry-run", "--protocol", "json"], {
      env: { ...url, ZITADEL_TOKEN: "x" },
    });
    await server.close();
    expect(dryRun.stderr).toMatch(/drops the body of a DELETE/);
    expect(dryRun.stderr).not.toMatch(/fine/);
    expect(dryRun.exitCode).toBe(4);
  });

  it.each<[string, JsonReply, RegExp]>([
    ["502", { status: 502 }, /HTTP 502 .*A proxy could not reach ZITADEL/],
    [
      "a redirect to another name",
      { status: 301, headers: { location: "https://other.example/" } },
      /a redirect to other\.example.*Check --url: https, and ZITADEL's own host/,
    ],
    [
      "a login page",
      { status: 302, headers: { location: "https://sso.example/login?x" } },
      /a redirect to sso\.example,/,
    ],
    [
      "a port for https",
      {
        status: 400,
        headers: { "content-type": "text/plain" },
        body: "Client sent an HTTP request to an HTTPS server.",
      },
      /Does this port expect https\?/,
    ],
    [
      "a page",
      { headers: { "content-type": "text/html" }, body: "<html>" },
      /text\/html where JSON was expected.*another server/,
    ],
    ["404", { status: 404 }, /the domain of an instance\? .*--instance-host/],
  ])("reports in plain words: %s", async (_, reply, message) => {
    const server = await startJsonServer(() => reply);
    const { exitCode, stdout } = await doctor({ ZITADEL_URL: server.baseUrl });
    await server.close();
    expect(stdout).toMatch(message);
    expect(exitCode).toBe(4);
    expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it("names an unusable proxy, and the variable that sets it", async () => {
    vi.stubEnv("HTTPS_PROXY", "http://proxy.invalid:3128");
    const { exitCode, stdout } = await doctor({ ZITADEL_URL: "https://zitadel.example" });
    vi.unstubAllEnvs();
    expect(stdout).toMatch(/FAIL.*the proxy proxy\.invalid:3128 cannot be reached.*HTTPS_PROXY/);
    expect(exitCode).toBe(4);
  });

  it("respects --instance-host", async () => {
    const url = { ZITADEL_URL: sandbox.baseUrl.replace("localhost", "127.0.0.1") };
    expect((await doctor(url)).exitCode).toBe(4);
    const { exitCode, stdout } = await doctor(url, ["--instance-host", "localhost"]);
    expect(stdout).not.toContain("FAIL");
    expect(exitCode).toBe(0);
    const path = join(mkdtempSync(join(tmpdir(), "doctor-")), "key.json");
    writeFileSync(path, JSON.stringify(sandbox.addKey()));
    const { ZITADEL_URL } = url;
    const withKey = await run(["doctor", "--instance-host", "localhost", "--key-file", path], {
      env: { ZITADEL_URL },
    });
    rmSync(dirname(path), { recursive: true });
    expect(withKey.stdout).toMatch(/ok {4}account/);
  });

  it("writes JSON", async () => {
    const { stdout } = await doctor({}, ["--json"]);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(findings).toContainEqual({ ok: true, title: "grpc", detail: "works" });
    const failed = await doctor({ ZITADEL_TOKEN: "nonsense" }, ["--json"]);
    expect(JSON.parse(failed.stdout)).toMatchObject({ ok: false });
    expect(failed.exitCode).toBe(4);
  });

  it("reports an account that may remove but not read", async () => {
    sandbox.failNext({ rpc: "ListUserGrants", code: Code.PermissionDenied, id: "AUTH-5mWD2" });
    const { exitCode, stdout } = await doctor();
    expect(stdout).toMatch(
      /ok {4}remove +allowed\n.*\nok {4}read +may not read .*user\.grant\.read/,
    );
    expect(exitCode).toBe(0);
  });
});
