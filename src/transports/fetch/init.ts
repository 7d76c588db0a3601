/** In the `init` of a `fetch` that supports it: the request does not keep the process alive. */
export const unref = Symbol.for("zitadel-user-grants:unref");

/** For requests that no cache may answer: those of frameworks (Next.js) and service workers keep POST too. */
export function noStore(): RequestInit {
  // Elsewhere the option is rejected (older workerd) or changes the address (React Native).
  return "cache" in (globalThis.Request?.prototype ?? {}) ? { cache: "no-store" } : {};
}
