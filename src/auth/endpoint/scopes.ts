/** Makes ZITADEL accept the token for its own APIs; without it, every call fails with AUTH-7fs1e. */
const audienceScope = "urn:zitadel:iam:org:project:id:zitadel:aud";

/** The scope parameter (RFC 6749, section 3.3): the scopes that are always requested, then the caller's. */
export function scopeParameter(scopes: readonly string[] = []): string {
  return [...new Set(["openid", audienceScope, ...scopes])].join(" ");
}
