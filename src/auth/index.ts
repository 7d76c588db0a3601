/**
 * Token sources for the option `token` of a client: they get a token when the first call needs one, and
 * renew it before it expires. Nothing here needs Node.
 *
 * @module zitadel-user-grants/auth
 */
export type { TokenRequest, TokenSource } from "../options/options.js";
export type { ServiceUserKey } from "./key.js";
export type { CommonTokenOptions, ServerTokenOptions } from "./options.js";
export {
  type ClientCredentialsOptions,
  clientCredentials,
  type ServiceUserOptions,
  serviceUser,
} from "./service-user.js";
export type { SignIn, SignInOptions, SignInResult, StartOptions } from "./sign-in/options.js";
export type { SignedInUser, SignInChange } from "./sign-in/session.js";
export { signIn } from "./sign-in/sign-in.js";
export { isTokenError, type SignInFailure, type TokenError } from "./token-error.js";
