import { generateKeyPairSync } from "node:crypto";
import type { ServiceUserKey } from "../../auth/key.js";
import { own } from "../../options/checker.js";
import type { Instance } from "../model/instance.js";
import { randomToken } from "../model/tokens.js";

/** Credentials of the sandbox's users and applications. */
export interface OAuthControl {
  /**
   * Creates a key file for a user.
   *
   * @throws TypeError when the user does not exist.
   */
  addKey(key?: {
    /** Default: the owner of the sandbox's `token`, to whom everything is allowed. */
    readonly userId?: string | undefined;
    /** Milliseconds from now until the key expires. Default: it expires in the year 9999. */
    readonly expiresInMs?: number | undefined;
  }): ServiceUserKey;

  /** Revokes a key. */
  removeKey(keyId: string): void;

  /**
   * Creates a client id and a secret for a user. Earlier ones of the same user become invalid.
   *
   * @throws TypeError when the user does not exist.
   */
  addClientSecret(secret?: {
    /** Default: the owner of the sandbox's `token`, to whom everything is allowed. */
    readonly userId?: string | undefined;
  }): { clientId: string; clientSecret: string };

  /** Registers an application that signs users in with PKCE, without a secret. */
  addApp(app: {
    /** Default: an id like ZITADEL's. */
    readonly clientId?: string | undefined;
    readonly redirectUris: readonly string[];
    readonly postLogoutRedirectUris?: readonly string[] | undefined;
  }): { clientId: string };

  /** Expires the access tokens of a user, or of all users, now. Refresh tokens stay valid. */
  expireTokens(userId?: string): void;
}

/** @internal Its types are Node's, and exports of this file are loaded in browser projects too. */
export function createOAuthControl(
  { oauth, state, now }: Instance,
  ownerId: () => string,
): OAuthControl {
  const userOf = (userId = ownerId()): string => {
    if (!state.users.has(userId)) {
      throw new TypeError(`The sandbox has no user ${JSON.stringify(userId)}: add it first`);
    }
    return userId;
  };
  return {
    addKey: (init = {}) => {
      const { userId: id, expiresInMs } = own(init);
      const userId = userOf(id);
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const keyId = state.nextId();
      const expiresAtMs = expiresInMs === undefined ? Date.UTC(9999, 0) : now() + expiresInMs;
      oauth.serviceUserKeys.set(keyId, { userId, publicKey, expiresAtMs });
      return {
        type: "serviceaccount",
        keyId,
        key: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
        expirationDate: new Date(expiresAtMs).toISOString(),
        userId,
      };
    },
    removeKey: (keyId) => {
      oauth.serviceUserKeys.delete(keyId);
    },
    addClientSecret: (init = {}) => {
      const userId = userOf(own(init).userId);
      const clientId = `client-${userId}`;
      const clientSecret = randomToken();
      oauth.clientSecrets.set(clientId, { userId, secret: clientSecret });
      return { clientId, clientSecret };
    },
    addApp: (init) => {
      const { clientId = state.nextId(), redirectUris, postLogoutRedirectUris = [] } = own(init);
      oauth.apps.set(clientId, { clientId, redirectUris, postLogoutRedirectUris });
      return { clientId };
    },
    expireTokens: (userId) => {
      for (const [value, token] of state.tokens) {
        if (userId === undefined || token.userId === userId) {
          state.tokens.set(value, { ...token, expiresAtMs: now() });
        }
      }
    },
  };
}
