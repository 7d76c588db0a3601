import { randomBytes } from "node:crypto";
import type { AccessToken } from "./entities.js";
import type { Instance } from "./instance.js";

/** Creates an access token that the instance accepts until it expires, and returns it. */
export function issueToken(
  instance: Instance,
  token: Omit<AccessToken, "expiresAtMs"> & { readonly expiresInMs: number },
  value = randomToken(),
): string {
  const { expiresInMs, ...rest } = token;
  instance.state.tokens.set(value, { ...rest, expiresAtMs: instance.now() + expiresInMs });
  return value;
}

/** An opaque secret. */
export function randomToken(): string {
  return randomBytes(48).toString("base64url");
}
