import type { Session } from "./session.js";

/** The claims of a user's ID token (OpenID Connect Core 1.0, sections 2 and 5.1). */
export interface SignedInUser {
  /** The user's id. */
  readonly sub: string;
  /** With the scope `profile`. */
  readonly name?: string;
  /** With the scope `profile`: the login name. */
  readonly preferred_username?: string;
  /** With the scope `email`. */
  readonly email?: string;
  readonly [claim: string]: unknown;
}

export function userOf({ idToken, subject }: Session): SignedInUser {
  return Object.freeze({ ...claimsOf(idToken), sub: subject });
}

/** The claims of a JWT, not validated: those of a session were validated when it was received. */
export function claimsOf(jwt: unknown): Record<string, unknown> {
  try {
    const [, payload = ""] = String(jwt).split(".");
    const bytes = decodeBase64Url(payload);
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? { ...claims } : {};
  } catch {
    return {};
  }
}

export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
