import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { makeCertificate } from "../support/certificates.js";
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
  it("tries everything and finds nothing", async () => {
    const { exitCode, stdout } = await doctor();
    expect(stdout.replace(/^(ok|FAIL) +(name resolution|\S+).*$/gm, "$1 $2")).toBe(
      `${[
        ...["name resolution", "connection", "instance", "clock", "token", "organization"],
        ...["grpc", "grpc-web", "json", "permission"],
      ]
        .map((title) => `ok ${title}\n`)
        .join("")}\nEverything that was tried is fine.\n`,
    );
    expect(exitCode).toBe(0);
  });

  it.each([
    [
      "a name that is not known",
      { ZITADEL_URL: "https://zitadel.invalid" },
      /FAIL {2}name resolution {2}zitadel\.invalid is not known here/,
    ],
    [
      "a token that is not known",
      { ZITADEL_TOKEN: "nonsense" },
      /FAIL {2}token .*does not know it, or it has expired/,
    ],
    [
      "an unknown organization",
      { ZITADEL_ORG_ID: "7" },
      /FAIL {2}organization .*7: AUTH-Bs7Ds.*does not exist/,
    ],
  ])("names %s", async (_, env, message) => {
    const { exitCode, stdout } = await doctor(env);
    expect(stdout).toMatch(message);
    expect(exitCode).toBe(4);
  });

  it("names a port on which nothing speaks TLS", async () => {
    const { exitCode, stdout } = await doctor({
      ZITADEL_URL: sandbox.baseUrl.replace("http:", "https:"),
    });
    expect(stdout).toMatch(/FAIL {2}TLS /);
    expect(exitCode).toBe(4);
  });

  it("names a host that is no instance", async () => {
    const { stdout } = await doctor({
      ZITADEL_URL: sandbox.baseUrl.replace("localhost", "127.0.0.1"),
    });
    expect(stdout).toMatch(/FAIL/);
  });

  it("tells a missing role from a role that lacks the permission", async () => {
    const nobody = await doctor({ ZITADEL_TOKEN: sandbox.addUser().token });
    expect(nobody.stdout).toMatch(/FAIL {2}permission .*AUTHZ-cdgFk.*no manager role/);
    const viewer = await doctor({
      ZITADEL_TOKEN: sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] }).token,
    });
    expect(viewer.stdout).toMatch(/FAIL {2}permission .*AUTH-5mWD2.*role lacks/);
  });

  it("names a token without the audience of ZITADEL's APIs", async () => {
    const { userId } = sandbox.addUser({ roles: ["ORG_OWNER"] });
    const { stdout } = await doctor({
      ZITADEL_TOKEN: sandbox.addToken({ userId, audience: false }),
    });
    expect(stdout).toMatch(/AUTH-7fs1e.*urn:zitadel:iam:org:project:id:zitadel:aud/);
  });

  it.each([
    ["an authority that is not known", {}, /FAIL {2}TLS .*NODE_EXTRA_CA_CERTS/],
    ["a certificate that has expired", { notAfter: new Date(0) }, /FAIL {2}TLS .*renew/],
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

  it("names a clock that is off, and a proxy that lets JSON through alone", async () => {
    const bodies: Record<string, string> = {
      "/.well-known/openid-configuration": '{"issuer":"here"}',
      "/oidc/v1/userinfo": '{"sub":"1"}',
      "/management/v1/orgs/me": '{"org":{"id":"2","name":"Org"}}',
    };
    const server = createServer((request, response) => {
      const body = bodies[request.url ?? ""];
      response.setHeader("date", new Date(Date.now() - 120_000).toUTCString());
      if (request.url === "/management/v1/user_grants/_bulk") {
        response.writeHead(400, { "content-type": "application/json" }).end(
          JSON.stringify({
            code: 3,
            message: "Id missing (COMMAND-5M0sd)",
            details: [
              {
                "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
                id: "COMMAND-5M0sd",
                message: "Id missing",
              },
            ],
          }),
        );
      } else {
        response.statusCode = body === undefined ? 404 : 200;
        response.end(body);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const url = `http://localhost:${(server.address() as AddressInfo).port}`;
    const { exitCode, stdout } = await doctor({ ZITADEL_URL: url }, ["--protocol", "json"]);
    server.closeAllConnections();
    server.close();
    expect(stdout).toMatch(/FAIL {2}clock .*12\d s ahead/);
    expect(stdout).toMatch(/ok {4}grpc-web .*does not work, and is not used/);
    expect(stdout).toMatch(/ok {4}json +works/);
    expect(stdout).toMatch(/ok {4}permission/);
    expect(exitCode).toBe(4);
  });
});
