/** In the `init` of a `fetch` that supports it: the request does not keep the process alive. */
export const unref = Symbol.for("zitadel-user-grants:unref");
