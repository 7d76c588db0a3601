import { describe, expect, it, onTestFinished } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";

describe.each(generations)("the OAuth endpoints of %s", (generation) => {
  async function open() {
    const sandbox = await startSandbox({ generation });
    onTestFinished(() => sandbox.close());
    return sandbox;
  }

  // As github.com/zitadel/oidc does, in the versions of the two.
  it("judge a client that authenticates by its header and by its form", async () => {
    const sandbox = await open();
    const { clientId, clientSecret } = sandbox.addClientSecret();
    const authenticate = async (form: Record<string, string>) => {
      const response = await fetch(`${sandbox.baseUrl}/oauth/v2/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", scope: "openid", ...form }),
      });
      return { status: response.status, ...(await response.json()) };
    };

    expect(await authenticate({ client_id: clientId })).toMatchObject({ status: 200 });
    expect(await authenticate({ client_secret: "other" })).toMatchObject({ status: 200 });
    expect(await authenticate({ client_id: clientId, client_secret: "other" })).toMatchObject(
      generation === "v4"
        ? {
            status: 400,
            error: "invalid_request",
            error_description: "client authentication must not use more than one method",
          }
        : { status: 200 },
    );
  });

  it("ignore the case of the scheme, as the RPCs do not", async () => {
    const sandbox = await open();
    const headers = { authorization: `bearer ${sandbox.token}` };
    const userinfo = await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, { headers });
    const org = await fetch(`${sandbox.baseUrl}/management/v1/orgs/me`, { headers });
    expect([userinfo.status, org.status]).toEqual([200, 401]);
  });
});
