/** The OAuth errors of ZITADEL when a refresh token was already used, or its session has ended. */
export const deadRefreshTokenErrors = ["invalid_grant", "invalid_request"];
