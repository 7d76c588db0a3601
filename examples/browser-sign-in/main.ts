/// <reference types="vite/client" />
import { createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import { signIn } from "zitadel-user-grants/auth";

const { VITE_ISSUER: issuer, VITE_CLIENT_ID: clientId } = import.meta.env;

const auth = signIn({
  issuer,
  clientId,
  redirectUri: `${location.origin}/`,
  postLogoutRedirectUri: `${location.origin}/`,
  // Without it, the session ends with its first token.
  scopes: ["offline_access"],
  // Tabs share the session. What that means for security is in docs/tokens.md.
  storage: "localStorage",
});
const client = createManagementClient({ baseUrl: issuer, token: auth.token });

const outcome = find("outcome", HTMLElement);
const form = find("deactivate", HTMLFormElement);
const signInButton = find("sign-in", HTMLButtonElement);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const userId = String(fields.get("userId"));
  const grantId = String(fields.get("grantId"));
  try {
    await client.deactivateUserGrant({ userId, grantId });
    outcome.textContent = `Grant ${grantId} is inactive now.`;
  } catch (error) {
    outcome.textContent = isGrantNotFound(error)
      ? `There is no grant ${grantId} in your organization.`
      : describeError(error).message;
  }
  show();
});
signInButton.addEventListener("click", () => attempt(auth.start()));
find("sign-out", HTMLButtonElement).addEventListener("click", () => attempt(auth.signOut()));

await attempt(auth.handleCallback());

/** Says what went wrong, if something did, and shows what can be done now. */
async function attempt(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    outcome.textContent = describeError(error).message;
  }
  show();
}

function show(): void {
  form.hidden = !auth.signedIn;
  signInButton.hidden = auth.signedIn;
}

function find<E extends HTMLElement>(id: string, type: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof type)) {
    throw new Error(`index.html has no #${id}`);
  }
  return element;
}
