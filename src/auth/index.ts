/**
 * Token sources for the option `token` of a client: they get a token when the first call needs one, and
 * renew it before it expires. Nothing here needs Node.
 *
 * @module zitadel-user-grants/auth
 */
export type { TokenRequest, TokenSource } from "../options/token-source.js";
export type { CommonTokenOptions } from "./endpoint/options.js";
export {
  type ClientCredentialsOptions,
  clientCredentials,
} from "./service-user/client-credentials.js";
export type { ServiceUserKey } from "./service-user/key-file.js";
export { type ServiceUserOptions, serviceUser } from "./service-user/service-user.js";
export type { SignInChange } from "./sign-in/changes.js";
export type { SignIn, SignInOptions, SignInResult, StartOptions } from "./sign-in/options.js";
export { signIn } from "./sign-in/sign-in.js";
export type { SignedInUser } from "./sign-in/user.js";
export { isTokenError, type TokenError } from "./tokens/token-error.js";
