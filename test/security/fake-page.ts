import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { onTestFinished, vi } from "vitest";
import { type SignInOptions, type SignInResult, signIn } from "../../src/auth/index.js";
import { createFakeIssuer } from "../auth/fake-issuer.js";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const clientId = "portal";
let pages = 0;

/** As much of a browser's storage as a sign-in uses. */
class FakeStorage {
  getItem(name: string): string | null {
    return (this as Record<string, unknown>)[name] === undefined
      ? null
      : String((this as never)[name]);
  }
  setItem(name: string, value: string): void {
    (this as Record<string, unknown>)[name] = value;
  }
  removeItem(name: string): void {
    delete (this as Record<string, unknown>)[name];
  }
}

/** Of the origin: what its tabs have in common. */
const localStorage = new FakeStorage();

/** A page in which a user signs in, without a browser: the globals that the code under test reads. */
export function openFakePage({
  storage,
  shares,
  base,
}: {
  /** The address of the page's `<base>`. */
  base?: string;
  storage?: SignInOptions["storage"];
  shares?: { readonly issuer: string };
} = {}) {
  const origin = "https://portal.example";
  let href = `${origin}/`;
  let assigned = "";
  const server = createFakeIssuer(shares?.issuer ?? `https://issuer-${++pages}.example`);
  const redirectUri = `${origin}/callback-${pages}`;
  server.metadata = {
    authorization_endpoint: `${server.issuer}/authorize`,
    end_session_endpoint: `${server.issuer}/end`,
  };
  const location = {
    origin,
    get href() {
      return href;
    },
    assign: (url: URL | string) => {
      assigned = String(url);
    },
  };
  const sessionStorage = new FakeStorage();
  const enter = () => {
    vi.stubGlobal("location", location);
    vi.stubGlobal("history", {
      state: null,
      replaceState: (_: unknown, __: string, url: string) => {
        href = new URL(url, base ?? href).href;
      },
    });
    vi.stubGlobal("sessionStorage", sessionStorage);
    vi.stubGlobal("localStorage", localStorage);
    vi.stubGlobal("isSecureContext", true);
    vi.stubGlobal("document", {});
  };
  enter();
  const auth = signIn({
    issuer: server.issuer,
    clientId,
    redirectUri,
    fetch: server.fetch,
    storage,
  });
  onTestFinished(() => auth.close());
  const start = async (returnTo?: string, parameters?: Record<string, string>) => {
    enter();
    await auth.start({ returnTo, parameters });
    return new URL(assigned);
  };
  return {
    issuer: server.issuer,
    fetch: server.fetch,
    redirectUri,
    origin,
    auth,
    start,
    href: () => href,
    /** Changes the discovery document. */
    discover: (metadata: Record<string, unknown>) => {
      server.metadata = metadata;
    },
    requests: () => [...server.discoveries, ...server.tokenRequests],
    stored: (): Record<string, unknown> => ({ ...sessionStorage }),
    /** What other tabs can read. */
    shared: () => JSON.stringify({ ...localStorage }),
    /**
     * Signs in, with an ID token that has these claims in place of the right ones.
     *
     * @param passed what the page passes to `handleCallback`; default: nothing.
     */
    async signIn(
      claims: object,
      returnTo?: string,
      passed?: (href: string) => string,
      parameters?: Record<string, string>,
    ): Promise<SignInResult | undefined> {
      const { searchParams } = await start(returnTo, parameters);
      const nowSeconds = Math.floor(Date.now() / 1000);
      const idToken = await new SignJWT({
        iss: server.issuer,
        aud: clientId,
        sub: "user-1",
        nonce: searchParams.get("nonce"),
        iat: nowSeconds,
        exp: nowSeconds + 3600,
        ...claims,
      })
        .setProtectedHeader({ alg: "RS256" })
        .sign(privateKey);
      server.respond = () =>
        server.issue({
          access_token: "access-token",
          refresh_token: "refresh-token",
          id_token: idToken,
        });
      href = `${redirectUri}?code=c0de&state=${searchParams.get("state")}`;
      return auth.handleCallback(passed?.(href));
    },
  };
}
