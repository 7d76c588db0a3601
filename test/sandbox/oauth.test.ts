import { createHash } from "node:crypto";
import { decodeJwt } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { clientCredentials, serviceUser } from "../../src/auth/index.js";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";

const redirectUri = "http://localhost:1/callback";
const scope = "openid profile offline_access urn:zitadel:iam:org:project:id:zitadel:aud";

type Tokens = Record<"access_token" | "refresh_token" | "id_token", string>;

/** Signs a user in as a page does, and returns the tokens, and functions that use them. */
async function signIn(sandbox: SandboxServer, clientId: string, userId: string) {
  const { baseUrl } = sandbox;
  const post = async (path: string, form: Record<string, string>) =>
    await fetch(baseUrl + path, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams(form),
    });
  const locationOf = (response: Response) =>
    new URL(response.headers.get("location") ?? "", baseUrl).searchParams;
  const verifier = "v".repeat(50);
  const login = await post("/oauth/v2/authorize", {
    ...{ client_id: clientId, redirect_uri: redirectUri, response_type: "code", scope },
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const authRequestID = locationOf(login).get("authRequestID") ?? "";
  const decided = await post("/ui/login", { authRequestID, userId, decision: "sign-in" });
  const tokens = (await (
    await post("/oauth/v2/token", {
      ...{ grant_type: "authorization_code", client_id: clientId, redirect_uri: redirectUri },
      code: locationOf(decided).get("code") ?? "",
      code_verifier: verifier,
    })
  ).json()) as Tokens;
  const refresh = async (refreshToken: string) => {
    const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken };
    const response = await post("/oauth/v2/token", form);
    return { status: response.status, tokens: (await response.json()) as Tokens };
  };
  const userinfo = async (token: string) =>
    (await fetch(`${baseUrl}/oidc/v1/userinfo`, { headers: { authorization: `Bearer ${token}` } }))
      .status;
  return { tokens, post, refresh, userinfo };
}

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

  it("end a session without its refresh token, which only revocation ends", async () => {
    const sandbox = await open();
    const { clientId } = sandbox.addApp({ redirectUris: [redirectUri] });
    const { userId } = sandbox.addUser();
    const { tokens, post, refresh, userinfo } = await signIn(sandbox, clientId, userId);
    await post("/oidc/v1/end_session", { client_id: clientId, id_token_hint: tokens.id_token });
    expect(await userinfo(tokens.access_token)).toBe(401);
    const refreshed = await refresh(tokens.refresh_token);
    expect(refreshed.status).toBe(200);
    expect(await userinfo(refreshed.tokens.access_token)).toBe(200);
    const token = refreshed.tokens.refresh_token;
    await post("/oauth/v2/revoke", { client_id: clientId, token });
    expect((await refresh(token)).status).toBe(400);
    expect(await userinfo(refreshed.tokens.access_token)).toBe(401);
  });

  it("say in ID tokens who the user is called only where the application asserts it", async () => {
    const sandbox = await open();
    const { userId } = sandbox.addUser({ name: "Jane Doe" });
    const names = [];
    for (const idTokenUserinfoAssertion of [undefined, true]) {
      const app = { redirectUris: [redirectUri], idTokenUserinfoAssertion };
      const { tokens } = await signIn(sandbox, sandbox.addApp(app).clientId, userId);
      names.push(decodeJwt(tokens.id_token).name);
    }
    expect(names).toEqual([undefined, "Jane Doe"]);
  });

  it("reject an assertion that is not valid, and a deactivated user in another way", async () => {
    const sandbox = await open();
    const { userId, token } = sandbox.addUser({ type: "machine", roles: ["ORG_OWNER"] });
    const messageOf = async (source: () => string | Promise<string>) =>
      await Promise.resolve(source()).catch((error: Error) => error.message);
    const options = { issuer: sandbox.baseUrl };
    const rejected = await fetch(`${sandbox.baseUrl}/oauth/v2/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: "unknown",
        scope,
      }),
    });
    expect([rejected.status, ((await rejected.json()) as { error: string }).error]).toEqual(
      generation === "v4" ? [400, "invalid_grant"] : [500, "server_error"],
    );
    sandbox.deactivateUser(userId);
    const source = serviceUser(sandbox.addKey({ userId }), options);
    expect(await messageOf(source)).toContain("Errors.User.NotActive");
    const secret = sandbox.addClientSecret({ userId });
    expect(await messageOf(clientCredentials({ ...secret, ...options }))).toContain(
      "Errors.User.NotActive",
    );
    const headers = { authorization: `Bearer ${token}` };
    const org = await fetch(`${sandbox.baseUrl}/management/v1/orgs/me`, { headers });
    expect(((await org.json()) as { details: [{ id: string }] }).details[0].id).toBe("AUTH-7fs1e");
  });

  it("ignore the case of the scheme, as the RPCs do not", async () => {
    const sandbox = await open();
    const headers = { authorization: `bearer ${sandbox.token}` };
    const userinfo = await fetch(`${sandbox.baseUrl}/oidc/v1/userinfo`, { headers });
    const org = await fetch(`${sandbox.baseUrl}/management/v1/orgs/me`, { headers });
    expect([userinfo.status, org.status]).toEqual([200, 401]);
  });
});
