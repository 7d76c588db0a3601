// Signs in to the sandbox in a DOM without a browser: what an application's own test does around its code.
import assert from "node:assert/strict";
import { request } from "node:http";
import { signIn } from "zitadel-user-grants/auth";
import { createManagementClient } from "zitadel-user-grants/json";
import { startSandbox } from "zitadel-user-grants/sandbox";

const origin = "http://localhost:3000";

/** What such a DOM lacks: jsdom and Jest have arrays of their own, which Node's Web Crypto does not take. */
function prepareDom() {
  const bytes = new TextEncoder().encode("");
  globalThis.Uint8Array = bytes.constructor;
  globalThis.ArrayBuffer = bytes.buffer.constructor;
  globalThis.isSecureContext = true;
}

export async function signInAndOut() {
  prepareDom();
  const redirectUri = `${origin}/callback`;
  const sandbox = await startSandbox();
  const { clientId } = sandbox.addApp({
    redirectUris: [redirectUri],
    postLogoutRedirectUris: [redirectUri],
  });
  const { userId } = sandbox.addUser({ roles: ["ORG_USER_MANAGER"] });
  // A DOM without a browser does not navigate.
  let navigated;
  const assign = (url) => navigated.resolve(String(url));
  Object.defineProperty(globalThis, "location", {
    configurable: true,
    value: { href: redirectUri, origin, assign },
  });
  const session = signIn({ issuer: sandbox.baseUrl, clientId, redirectUri });
  const navigation = (call) => {
    navigated = Promise.withResolvers();
    call().catch(navigated.reject);
    return navigated.promise;
  };

  location.href = await logIn(await navigation(() => session.start()), userId);
  await session.handleCallback();
  assert.equal(session.user().sub, userId);

  const client = createManagementClient({ baseUrl: sandbox.baseUrl, token: session.token });
  const grant = sandbox.addGrant();
  await client.deactivateUserGrant(grant);
  assert.equal(sandbox.grant(grant.grantId).state, "inactive");

  await navigation(() => session.signOut());
  assert.equal(session.signedIn, false);
  await sandbox.close();
}

/** What a person does at the login page; returns the address that the browser is sent back to. */
async function logIn(url, userId) {
  const { location } = await send(url);
  const authRequestID = new URL(location, url).searchParams.get("authRequestID");
  const form = new URLSearchParams({ authRequestID, userId, decision: "sign-in" });
  let next = (await send(new URL("/ui/login", url), form.toString())).location;
  while (!next.startsWith(origin)) {
    next = (await send(new URL(next, url))).location;
  }
  return next;
}

function send(url, form) {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: form === undefined ? "GET" : "POST",
      headers: form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" },
    });
    sent.on("response", (response) => resolve(response.resume().headers)).on("error", reject);
    sent.end(form);
  });
}
