import { createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import { signIn } from "zitadel-user-grants/auth";

const { VITE_ISSUER: issuer, VITE_CLIENT_ID: clientId } = import.meta.env;

export const session = signIn({
  issuer,
  clientId,
  redirectUri: `${location.origin}/`,
  postLogoutRedirectUri: `${location.origin}/`,
  // Adds a refresh token. Without it the session ends with its first access token.
  scopes: ["offline_access"],
  storage: "sessionStorage",
});

export const client = createManagementClient({ baseUrl: issuer, token: session.token });

/** Completes a sign-in that brought the person to this page; once, however often React mounts. */
export function completeSignIn(): Promise<unknown> {
  return session.handleCallback();
}

export interface Grant {
  id: string;
  userId: string;
  displayName: string;
  projectName: string;
  roleKeys: string[];
}

/**
 * The active grants of the manager's organization, from ZITADEL's search route. In one request, with a limit
 * above their number: lists have no order, and pages leave grants out.
 */
export async function listGrants(signal: AbortSignal): Promise<Grant[]> {
  const response = await fetch(`${issuer}/management/v1/users/grants/_search`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await session.token({ signal })}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ query: { limit: 10_000 } }),
    signal,
  });
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.message);
  }
  const found = (body.result ?? []) as (Partial<Grant> & { state?: string })[];
  return found
    .filter(({ state }) => state === "USER_GRANT_STATE_ACTIVE")
    .map(({ id = "", userId = "", displayName = "", projectName = "", roleKeys = [] }) => ({
      id,
      userId,
      displayName,
      projectName,
      roleKeys,
    }));
}

/** Revokes a grant. A grant that is gone already is revoked too. */
export async function revoke({ id }: Grant): Promise<void> {
  try {
    await client.bulkRemoveUserGrant({ grantId: [id] });
  } catch (error) {
    if (!isGrantNotFound(error)) {
      throw error;
    }
  }
}

/** What to show to a person. */
export function explain(error: unknown): string {
  const { id, message } = describeError(error);
  switch (id) {
    case "AUTH-5mWD2":
    case "AUTHZ-cdgFk":
      return "You are not allowed to manage access in this organization.";
    case "AUTH-7fs1e":
      return "Your session has ended. Sign in again.";
    default:
      return message;
  }
}
