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
export type { SignIn, SignInOptions, SignInResult, StartOptions } from "./sign-in/options.js";
export { signIn } from "./sign-in/sign-in.js";
