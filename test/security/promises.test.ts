import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { clientCredentials, serviceUser } from "../../src/auth/index.js";
import { type DebugEvent, debug } from "../../src/debug.js";
import { createFetch } from "../../src/grpc.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { createFakeIssuer } from "../auth/fake-issuer.js";
import { serviceUserKey } from "../auth/keys.js";
import { run } from "../cli/run.js";
import { type Exchange, type Protocol, respondWell } from "../faults/exchange.js";
import { begins, half, responds } from "../faults/fault.js";
import { startProxy, startSecureServer } from "../networks/servers.js";
import { makeCertificate } from "../support/certificates.js";
import { createClient, protocols, startWire } from "../support/protocols.js";
import { openFakePage } from "./fake-page.js";
import { expectNoSecret, shown, token } from "./shown.js";

// Each test is named after a sentence of SECURITY.md, in its order.

const issuerSecret = "Qx7-pLw9.Zt3_Vb6+Rk1";

/** A server for the duration of a test, and what reached it. */
async function serve(protocol: Protocol, respond: (exchange: Exchange) => void) {
  const paths: string[] = [];
  const server = await startWire(protocol, (exchange) => {
    paths.push(exchange.path);
    respond(exchange);
  });
  return { server, paths, baseUrl: server.baseUrl };
}

/** How something failed; undefined when it did not. */
async function failureOf(run: PromiseLike<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof run === "function" ? run() : run);
    return undefined;
  } catch (error) {
    return error;
  }
}

test("Plain HTTP is rejected except on loopback, unless `allowInsecure` is set.", () => {
  for (const protocol of protocols) {
    const create = (options: { baseUrl: string; allowInsecure?: boolean }) => () =>
      createClient(protocol, { token, ...options });
    expect(create({ baseUrl: "http://zitadel.example" })).toThrow(/https/);
    expect(create({ baseUrl: "http://127.0.0.1:1" })).not.toThrow();
    expect(create({ baseUrl: "http://zitadel.example", allowInsecure: true })).not.toThrow();
  }
  expect(() => serviceUser(serviceUserKey, { issuer: "http://zitadel.example" })).toThrow(/https/);
});

test("No redirect is followed with a token.", async () => {
  for (const protocol of protocols) {
    for (const status of [301, 302, 303, 307, 308]) {
      const other = await serve("json", respondWell);
      const fields = { location: other.baseUrl };
      const redirect = responds({ status, fields, body: "", end: "none" });
      const { baseUrl } = await serve(protocol, redirect);
      const client = createClient(protocol, { baseUrl, token });
      expect(await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(Error);
      expect(other.paths).toEqual([]);
    }
  }
});

test("TLS certificates are verified, unless you turn that off in `nodeOptions`.", async () => {
  const { port, requests } = await startSecureServer(
    makeCertificate({ name: "localhost", dnsNames: ["localhost"] }),
  );
  const baseUrl = `https://localhost:${port}`;
  const strict = createClient("grpc", { baseUrl, token });
  expect(await failureOf(strict.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(Error);
  const fetched = createClient("json", { baseUrl, token, fetch: createFetch() });
  expect(await failureOf(fetched.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(Error);
  expect(requests).toEqual([]);
  const lax = createClient("grpc", { baseUrl, token, nodeOptions: { rejectUnauthorized: false } });
  await lax.deactivateUserGrant({ userId: "1", grantId: "2" });
  expect(requests).toHaveLength(1);
});

test("Through a proxy, TLS is end to end with ZITADEL, and the proxy's credentials go to the proxy alone.", async () => {
  const authority = makeCertificate({ name: "Private CA", isAuthority: true });
  const certificate = { name: "zitadel.internal", dnsNames: ["zitadel.internal"] };
  const server = await startSecureServer(makeCertificate({ ...certificate, issuer: authority }));
  const proxy = await startProxy({ resolve: () => ({ host: "127.0.0.1", port: server.port }) });
  vi.stubEnv("HTTPS_PROXY", proxy.url.replace("//", "//user:pr0xy-p4ss@"));
  const nodeOptions = { ca: authority.cert };
  const client = createClient("grpc", { baseUrl: "https://zitadel.internal", token, nodeOptions });
  await client.deactivateUserGrant({ userId: "1", grantId: "2" });
  expect(proxy.connects).toEqual([
    { target: "zitadel.internal:443", authorization: `Basic ${btoa("user:pr0xy-p4ss")}` },
  ]);
  expect(server.requests.map(({ authorization }) => authorization)).toEqual([`Bearer ${token}`]);
  expect(inspect(server.requests)).not.toContain(btoa("user:pr0xy-p4ss"));
});

test("Keys and client secrets are used only at the token endpoint of the issuer that you named.", async () => {
  for (const metadata of [
    { issuer: "https://evil.example" },
    { token_endpoint: "http://issuer.example/token" },
  ]) {
    const server = createFakeIssuer();
    server.metadata = metadata;
    const { issuer, fetch } = server;
    const options = { issuer, fetch, clientId: "a", clientSecret: issuerSecret };
    expect(await failureOf(clientCredentials(options))).toBeInstanceOf(Error);
    expect(await failureOf(serviceUser(serviceUserKey, { issuer, fetch }))).toBeInstanceOf(Error);
    expect(server.tokenRequests).toEqual([]);
  }
});

test("No error shows a token or credential that its call sent, when a server or a proxy repeats it as it is, percent-encoded or in base64.", async () => {
  for (const protocol of protocols) {
    const page = responds({
      status: 403,
      fields: { "content-type": "text/html", "x-echo": `Bearer ${token}` },
      body: `<p>${token} ${btoa(token)} ${encodeURIComponent(token)}</p>`,
      end: "none",
    });
    const { baseUrl } = await serve(protocol, page);
    const client = createClient(protocol, { baseUrl, token });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(error).toBeInstanceOf(ConnectError);
    expectNoSecret(shown(error), token);
  }
  const server = createFakeIssuer();
  server.respond = ({ headers }) =>
    Response.json(
      { error: "no", error_description: headers.get("authorization") },
      { status: 400 },
    );
  const { issuer, fetch } = server;
  const options = { issuer, fetch, clientId: "a", clientSecret: issuerSecret };
  const error = await failureOf(clientCredentials(options));
  expect(error).toBeInstanceOf(ConnectError);
  expectNoSecret(shown(error), issuerSecret);
});

test("No `debug` event shows a secret header field, a query, or a message that was not asked for.", async () => {
  for (const protocol of protocols) {
    const fields = { "x-echo": token, "set-cookie": "session=c00kie-of-a-session" };
    const echo = responds({ fields, end: { "grpc-status": "0", "x-echo": token } });
    const { baseUrl } = await serve(protocol, echo);
    const events: DebugEvent[] = [];
    const client = createClient(protocol, { baseUrl, token, debug: debug((e) => events.push(e)) });
    const names = [
      "x-access-key",
      "x-functions-key",
      "x-auth-key",
      "x-api-key",
      "cookie",
      "x-password",
    ];
    const headers = Object.fromEntries(names.map((name) => [name, `value-of-${name}-42`]));
    await client.deactivateUserGrant({ userId: "1", grantId: "grant-4711" }, { headers });
    expect(events.map(({ type }) => type)).toEqual(["request", "response", "end"]);
    expectNoSecret(shown(events), token);
    expect(shown(events)).not.toMatch(/value-of-|c00kie/);
    expect(shown(events).replaceAll(/"?url"?: ?['"][^'"]*/g, "")).not.toContain("grant-4711");
  }
});

test("`util.inspect` and `JSON.stringify` of a client or a token source show no secret.", () => {
  const options = { issuer: "https://issuer.example", clientId: "a", clientSecret: issuerSecret };
  const values: unknown[] = [
    ...protocols.map((protocol) => createClient(protocol, { baseUrl: "https://z.example", token })),
    clientCredentials(options),
    serviceUser(serviceUserKey, { issuer: options.issuer }),
  ];
  for (const value of values) {
    expectNoSecret(shown(value), token);
    expectNoSecret(shown(value), issuerSecret);
    expectNoSecret(shown(value), serviceUserKey.key.split("\n")[3] ?? "");
  }
});

test("The command line tool prints no secret.", async () => {
  const sandbox = await startSandbox();
  onTestFinished(() => sandbox.close());
  const grants = sandbox.addGrant();
  for (const ZITADEL_TOKEN of [token, sandbox.token]) {
    for (const command of [["remove", "--yes", "--json"], ["doctor"], ["remove", "--dry-run"]]) {
      const env = { ZITADEL_TOKEN, ZITADEL_URL: sandbox.baseUrl, ZITADEL_ORG_ID: sandbox.orgId };
      const { stdout, stderr } = await run([...command, "--no-log"], {
        env,
        stdin: `${grants.grantId}\n`,
      });
      expect(stdout + stderr).not.toBe("");
      expectNoSecret(stdout + stderr, ZITADEL_TOKEN);
    }
  }
  // In place of a path.
  const opaque = "q7Jx2mPzR4tYw8vKc1Lb6Ns3Hd9Fg5Aa0Ee-Uu_Oo";
  for (const secret of [
    JSON.stringify(serviceUserKey),
    serviceUserKey.key,
    `eyJ${token}`,
    opaque,
  ]) {
    for (const flag of ["--key-file", "--token-file"]) {
      const env = { ZITADEL_URL: sandbox.baseUrl };
      const { exitCode, stdout, stderr } = await run(["doctor", `${flag}=${secret}`], { env });
      expect(exitCode).not.toBe(0);
      expect(stdout + stderr).toContain(`${flag}: its file cannot be read`);
      expectNoSecret(stdout + stderr, secret);
    }
  }
});

test("Tokens, organizations and hosts with line breaks, spaces or control characters are rejected before anything is sent.", async () => {
  for (const protocol of protocols) {
    const { baseUrl, server } = await serve(protocol, respondWell);
    for (const hostile of ["1\r\nx-injected: yes", "1\nx: y", "1\u0000", "1 2", "ä", ""]) {
      for (const option of ["token", "orgId", "instanceHost"]) {
        const create = () => createClient(protocol, { baseUrl, token, [option]: hostile });
        expect(await failureOf(create)).toBeInstanceOf(TypeError);
      }
      const client = createClient(protocol, { baseUrl, token: () => hostile });
      expect(await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(Error);
    }
    const headers = { "x-custom": "a\r\nx-injected: yes" };
    const client = createClient(protocol, { baseUrl, token });
    expect(
      await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }, { headers })),
    ).toBeInstanceOf(Error);
    expect(server.requests).toBe(0);
  }
});

test("An id never changes the path, method, host or organization of a request.", async () => {
  const ids = [
    "../../admin/v1/orgs/1",
    "1?x=y",
    "1#f",
    "1%2f..",
    "//other.example/",
    "@x",
    "..",
    ".",
    "1 HTTP/1.1\r\nx: y\r\n\r\nDELETE /management/v1/orgs/me HTTP/1.1",
    "\\..\\..",
    "_deactivate:x",
    "1",
  ];
  const { baseUrl, paths } = await serve("json", respondWell);
  const client = createClient("json", { baseUrl, token });
  for (const id of ids) {
    await failureOf(client.deactivateUserGrant({ userId: id, grantId: id }));
  }
  expect(paths.length).toBeGreaterThan(4);
  for (const path of paths) {
    expect(path).toMatch(/^\/management\/v1\/users\/[^/?#]+\/grants\/[^/?#]+\/_deactivate$/);
    expect(new URL(path, baseUrl).href).toBe(baseUrl + path);
  }
});

test("Unknown options are rejected, and inherited ones are ignored.", () => {
  const prototype = Object.prototype as Record<string, unknown>;
  prototype.allowInsecure = true;
  prototype.rejectUnauthorized = false;
  onTestFinished(() => {
    delete prototype.allowInsecure;
    delete prototype.rejectUnauthorized;
  });
  for (const protocol of protocols) {
    expect(() => createClient(protocol, { baseUrl: "http://zitadel.example" })).toThrow(/https/);
    const options = { baseUrl: "https://z.example", tokn: "x" };
    expect(() => createClient(protocol, options)).toThrow(/unknown option "tokn"/);
  }
  expect(() =>
    clientCredentials(
      Object.create({ issuer: "https://z.example", clientId: "a", clientSecret: "b" }),
    ),
  ).toThrow(TypeError);
});

test("Response bodies are read up to `readMaxBytes` (16 MiB) for calls, and up to 1 MiB for discovery and tokens.", async () => {
  for (const protocol of protocols) {
    const { baseUrl } = await serve(protocol, responds({ body: Buffer.alloc(200_000, " ") }));
    const client = createClient(protocol, { baseUrl, token, readMaxBytes: 1_000 });
    expect(await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(
      ConnectError,
    );
  }
  const server = createFakeIssuer();
  server.respond = () => new Response(" ".repeat(1024 * 1024 + 1));
  const { issuer, fetch } = server;
  const source = clientCredentials({ issuer, fetch, clientId: "a", clientSecret: issuerSecret });
  expect(String(await failureOf(source))).toContain("more than 1 MiB");
});

test("Only a complete response with an explicit success counts as success.", async () => {
  const responses = [
    responds({ fields: { "content-type": "text/html" }, body: "<p>Welcome</p>", end: "none" }),
    begins(half, ({ socket }) => void socket.destroy()),
    responds({ status: 502, body: "", end: "none" }),
  ];
  for (const protocol of protocols) {
    for (const respond of responses) {
      const { baseUrl } = await serve(protocol, respond);
      const client = createClient(protocol, { baseUrl, token });
      expect(await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }))).toBeInstanceOf(
        ConnectError,
      );
    }
  }
});

test("Whatever a server sends, a call settles by its deadline, with a response or a `ConnectError`.", async () => {
  for (const protocol of protocols) {
    for (const bytes of ["", "\0\0\0", "HTTP/1.1 200 OK\r\n\r\n{", "HTTP/9 zz\r\n\r\n"]) {
      const { baseUrl } = await serve(protocol, (exchange) => exchange.socket.write(bytes));
      const client = createClient(protocol, { baseUrl, token });
      const call = client.bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs: 200 });
      expect(await failureOf(call)).toBeInstanceOf(ConnectError);
    }
  }
});

test("Sign-in uses authorization code with PKCE (S256), `state` and `nonce`, and checks issuer and audience of the ID token.", async () => {
  const page = openFakePage();
  const request = await page.start();
  expect(Object.fromEntries(request.searchParams)).toMatchObject({
    response_type: "code",
    code_challenge_method: "S256",
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43,}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect(await page.signIn({})).toMatchObject({ userId: "user-1" });
  for (const claims of [{ aud: "other" }, { iss: "https://evil.example" }, { nonce: "other" }]) {
    await expect(openFakePage().signIn(claims)).rejects.toBeInstanceOf(ConnectError);
  }
});

test("After sign-in the code is out of the address in every outcome, and the page stays on its own origin.", async () => {
  for (const claims of [{}, { aud: "other" }]) {
    const page = openFakePage();
    await page.signIn(claims, "/.//evil.example/x").catch(() => undefined);
    expect(page.href()).toBe(`${page.origin}/evil.example/x`);
  }
});

test("Tokens are kept in memory, unless the page chooses a storage.", async () => {
  const page = openFakePage();
  await page.signIn({});
  expect(page.stored()).toEqual({});
  const other = openFakePage({ storage: "sessionStorage" });
  await other.signIn({});
  expect(JSON.stringify(other.stored())).toContain("access-token");
});

test("Signing out ends the session in every tab, and tabs tell each other no token.", async () => {
  const first = openFakePage();
  const second = openFakePage({ shares: first });
  await first.signIn({});
  await second.signIn({});
  expect(second.auth.signedIn).toBe(true);
  await first.auth.signOut();
  expect(second.auth.signedIn).toBe(false);
  expect(first.auth.signedIn).toBe(false);
  expect(first.shared()).toContain("signed-out");
  expect(first.shared()).not.toMatch(/access-token|refresh-token/);
});

test("Installing the package from the registry runs nothing.", () => {
  const { scripts, gypfile } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  expect(gypfile).toBeUndefined();
  for (const hook of ["preinstall", "install", "postinstall"]) {
    expect(scripts).not.toHaveProperty(hook);
  }
});

test("Each dependency has its reason in docs/dependencies.md.", () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const { dependencies, peerDependencies } = JSON.parse(read("package.json"));
  const reasons = read("docs/dependencies.md");
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    expect(reasons).toContain(`| \`${name}\` |`);
  }
});
