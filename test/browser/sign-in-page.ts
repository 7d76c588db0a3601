import { ConnectError } from "@connectrpc/connect";
import { createManagementClient } from "zitadel-user-grants";
import {
  isTokenError,
  type SignInOptions,
  type SignInResult,
  type StartOptions,
  signIn,
} from "zitadel-user-grants/auth";

/** What a promise came to, in a form that leaves the page. */
async function outcome<T>(promise: T | Promise<T>) {
  try {
    return { ok: true, value: await promise } as const;
  } catch (reason) {
    const { code, message } = ConnectError.from(reason);
    const { oauthError, reason: why } = isTokenError(reason) ? reason : {};
    return { ok: false, code, message, name: (reason as Error).name, oauthError, why } as const;
  }
}

/** The page is served at `/<storage>/…` by the test, with what it needs to know of the sandbox. */
declare const config: {
  issuer: string;
  clientId: string;
  otherClientId: string;
  orgId: string;
  holding: boolean;
  revoking: boolean;
};

const storage = location.pathname.split("/")[1] as NonNullable<SignInOptions["storage"]>;
const held: (() => void)[] = [];
/** Holds the responses to token requests back until `release` is called, and can fail revocations. */
const pageFetch: typeof fetch = async (url, init) => {
  if (!config.revoking && String(url).endsWith("/revoke")) {
    return new Response("", { status: 503 });
  }
  const response = await fetch(url, init);
  if (config.holding && init?.method === "POST") {
    await new Promise<void>((resolve) => held.push(resolve));
  }
  return response;
};

const common = {
  issuer: config.issuer,
  redirectUri: `${location.origin}/${storage}/callback`,
  fetch: pageFetch,
};
/** Of another application on the same page. */
const other = signIn({ ...common, clientId: config.otherClientId });
const auth = signIn({
  ...common,
  clientId: config.clientId,
  postLogoutRedirectUri: `${location.origin}/${storage}/bye`,
  scopes: location.search.includes("short") ? [] : ["offline_access"],
  storage,
});
const client = createManagementClient({
  baseUrl: config.issuer,
  token: auth.token,
  orgId: config.orgId,
});
const ofOther = outcome(other.handleCallback());
// As React's strict mode does it.
const callbacks = [outcome(auth.handleCallback()), outcome(auth.handleCallback())];

const changes: { type: string; user: string | undefined }[] = [];

const scenarios = {
  callback: async () => {
    const [first, second] = await Promise.all(callbacks);
    return { first, second, third: await outcome(auth.handleCallback()), other: await ofOther };
  },
  startOther: () => outcome(other.start()),
  pendingRevocations: async () => auth.pendingRevocations,
  /** From now on, as when the server is back. */
  revoke: async () => {
    config.revoking = true;
  },
  isStable: async () => new Set([auth.user(), auth.user()]).size === 1,
  /** As a tab that stands at a dialog while it renews the session. */
  holdLock: async () => {
    const name = `zitadel-user-grants:${config.issuer}:${config.clientId}`;
    await new Promise((resolve) => {
      navigator.locks.request(name, () => {
        resolve(undefined);
        return new Promise(() => {});
      });
    });
  },
  refuseWithin: (refused: string, timeoutMs: number) =>
    outcome(auth.token({ refused, signal: AbortSignal.timeout(timeoutMs) })),
  callbackWith: (url: string): Promise<{ ok: boolean; value?: SignInResult | undefined }> =>
    outcome(auth.handleCallback(url)),
  signedIn: async () => auth.signedIn,
  held: async () => held.length,
  release: async () => {
    for (const letThrough of held) {
      letThrough();
    }
  },
  start: (returnTo?: string) => outcome(auth.start({ returnTo })),
  startWith: (options: StartOptions) => outcome(auth.start(options)),
  user: async () => auth.user(),
  /** Notes changes from now on. */
  listen: async () => {
    auth.onChange(({ type, user }) => changes.push({ type, user: user?.sub }));
  },
  changes: async () => changes,
  /** Fills the storage, or has it reject everything, as a full disk or private mode does. */
  breakStorage: async () => {
    Storage.prototype.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  },
  signOut: () => outcome(auth.signOut()),
  token: () => outcome(auth.token()),
  refuse: (refused: string) => outcome(auth.token({ refused })),
  /** Asks for a token, and leaves when the request for it has been sent. */
  leave: async (refused: string) => {
    const controller = new AbortController();
    const asked = outcome(auth.token({ refused, signal: controller.signal }));
    await new Promise<void>((resolve) => {
      new PerformanceObserver((_, observer) => {
        observer.disconnect();
        resolve();
      }).observe({ type: "mark", buffered: true });
    });
    controller.abort("left");
    return asked;
  },
  deactivate: (grant: { userId: string; grantId: string }) =>
    outcome(client.deactivateUserGrant(grant).then(() => "deactivated")),
  deactivateAll: (grants: { userId: string; grantId: string }[]) =>
    Promise.all(grants.map((grant) => outcome(client.deactivateUserGrant(grant).then(() => "")))),
};

export type Scenarios = typeof scenarios;
Object.assign(globalThis, { scenarios });
