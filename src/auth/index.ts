/**
 * Token sources for the option `token` of a client: they get a token when the first call needs one, and
 * the next one in time. Nothing here needs Node.
 */
export type { TokenRequest, TokenSource } from "../token-source.js";
export { type ClientCredentialsOptions, clientCredentials } from "./client-credentials.js";
export type { CommonTokenOptions } from "./common-options.js";
export type { ServiceUserKey } from "./key-file.js";
export { type ServiceUserOptions, serviceUser } from "./service-user.js";
export { signIn } from "./sign-in.js";
export type { SignIn, SignInOptions, SignInResult, StartOptions } from "./sign-in-options.js";
