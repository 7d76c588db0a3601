/** In the `init` of a fetch that knows of it: the request does not keep the program alive. */
export const unref = Symbol.for("zitadel-user-grants:unref");
