import { describe, expect, it, vi } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { run } from "../cli/run.js";
import { startProxy } from "./servers.js";

describe("the command line", () => {
  it.each(["grpc", "grpc-web", "json"])("goes through the proxy over %s", async (protocol) => {
    const sandbox = await startSandbox({ hosts: [`${protocol}.zitadel.test`] });
    const port = Number(new URL(sandbox.baseUrl).port);
    const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port }) });
    vi.stubEnv("HTTP_PROXY", proxy.url);
    const { grantId } = sandbox.addGrant();
    const env = {
      ZITADEL_URL: `http://${protocol}.zitadel.test`,
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_ORG_ID: sandbox.orgId,
    };
    const flags = ["--allow-insecure", "--protocol", protocol];
    const removal = await run(["remove", grantId, "--yes", "--no-log", ...flags], { env });
    expect(removal).toMatchObject({ exitCode: 0, stdout: `${grantId}\tremoved\n` });
    const doctor = await run(["doctor", ...flags], { env });
    expect(doctor.stdout).toMatch(/ok +connection .*through the proxy 127\.0\.0\.1/);
    expect(doctor.exitCode, doctor.stdout).toBe(0);
    expect(proxy.connects.every(({ target }) => target === `${protocol}.zitadel.test:80`)).toBe(
      true,
    );
    await sandbox.close();
  });

  it("knows over gRPC-web, too, that nothing was sent: a wrong address is not tried for minutes", async () => {
    const { exitCode, stderr } = await run(["list", "--protocol", "grpc-web"], {
      env: { ZITADEL_URL: "http://localhost:1", ZITADEL_TOKEN: "t" },
    });
    expect(stderr).toMatch(/nothing was sent\.\nNothing was done/);
    expect(exitCode).toBe(4);
  });
});
