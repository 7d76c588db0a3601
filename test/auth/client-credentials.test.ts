import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type ClientCredentialsOptions, clientCredentials } from "../../src/auth/index.js";
import { createFakeIssuer, oauthError } from "./fake-issuer.js";

function create(changes: Partial<ClientCredentialsOptions> = {}) {
  const server = createFakeIssuer();
  const source = clientCredentials({
    issuer: server.issuer,
    clientId: "admin",
    clientSecret: "s3cret",
    fetch: server.fetch,
    ...changes,
  });
  return { server, source };
}

test("client_secret_basic percent-encodes both parts, as RFC 6749 requires", async () => {
  const { server, source } = create({ clientId: "a:b ü", clientSecret: "p+q&r/s%t~" });
  await source();
  const { form, headers } = server.tokenRequests[0]!;
  const basic = headers.get("authorization")?.replace("Basic ", "") ?? "";
  expect(atob(basic)).toBe("a%3Ab+%C3%BC:p%2Bq%26r%2Fs%25t%7E");
  expect(Object.fromEntries(form)).toEqual({
    grant_type: "client_credentials",
    scope: "openid urn:zitadel:iam:org:project:id:zitadel:aud",
  });
});

test("client_secret_post sends both in the body, and no authorization header", async () => {
  const { server, source } = create({ tokenEndpointAuthMethod: "client_secret_post" });
  await source();
  const { form, headers } = server.tokenRequests[0]!;
  expect(form.get("client_id")).toBe("admin");
  expect(form.get("client_secret")).toBe("s3cret");
  expect(headers.has("authorization")).toBe(false);
});

test.each([
  ["invalid_request", "Errors.User.Machine.Secret.Invalid", /clientSecret is wrong/],
  ["invalid_client", "client not found", /clientId is wrong, or issuer is another instance/],
])("%s names the usual cause", async (error, description, hint) => {
  const { server, source } = create();
  server.respond = () => oauthError(400, error, description);
  const reason = await Promise.resolve(source()).catch((thrown) => thrown);
  expect(reason.code).toBe(Code.Unauthenticated);
  expect(reason.rawMessage).toContain(`HTTP 400, ${error} (${description})`);
  expect(reason.rawMessage).toMatch(hint);
});

test.each<[string, Record<string, unknown>, string]>([
  ["no issuer", { issuer: undefined }, "issuer must be the origin of the instance"],
  [
    "an issuer that is not a URL",
    { issuer: "issuer.example" },
    "issuer must be the origin of the instance",
  ],
  ["an issuer without TLS", { issuer: "http://issuer.example" }, "issuer must be https"],
  [
    "an issuer with a secret in it",
    { issuer: "https://u:s3cret@issuer.example" },
    "without credentials",
  ],
  [
    "no clientId",
    { clientId: "" },
    "clientId must be a string that is not empty; got an empty string",
  ],
  [
    "no clientSecret",
    { clientSecret: undefined },
    "clientSecret must be a string that is not empty; got nothing",
  ],
  ["an unknown method", { tokenEndpointAuthMethod: "s3cret" }, "tokenEndpointAuthMethod must be"],
  ["scopes as one string", { scopes: "openid profile" }, "scopes must be an array of scopes"],
  ["two scopes in one", { scopes: ["openid profile"] }, "scopes must be an array of scopes"],
  ["a fetch that is not a function", { fetch: true }, "fetch must be a function like fetch"],
  [
    "a misspelt option",
    { clientSecrets: "s3cret" },
    'unknown option "clientSecrets"; did you mean clientSecret? Known are: issuer',
  ],
])("%s is rejected at once, without showing what was given", (_, changes, message) => {
  const attempt = () => create(changes as Partial<ClientCredentialsOptions>);
  expect(attempt).toThrow(TypeError);
  expect(attempt).toThrow(message);
  expect(attempt).not.toThrow(/s3cret/);
});

test.each([
  ["http://localhost:8080", false],
  ["http://127.0.0.1:8080", false],
  ["http://[::1]:8080", false],
  ["http://zitadel.localhost", true],
  ["http://zitadel.zitadel.svc.cluster.local:8080", true],
])("the issuer %s may be without TLS (only with allowInsecure: %s)", async (issuer, isForeign) => {
  const { fetch } = createFakeIssuer(issuer);
  const options = { issuer, clientId: "admin", clientSecret: "s3cret", fetch };
  if (isForeign) {
    expect(() => clientCredentials(options)).toThrow(/issuer must be https.*allowInsecure: true/);
  }
  const source = clientCredentials({ ...options, ...(isForeign && { allowInsecure: true }) });
  expect(await source()).toBe("token-1");
});
