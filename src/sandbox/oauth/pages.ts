import type { HttpResponse } from "../http/http.js";
import type { App } from "../model/oauth-state.js";

/** A small login page: choose a user, and click the button. */
export function loginPage(
  authRequestId: string,
  app: App | undefined,
  people: readonly { userId: string; name: string }[],
): HttpResponse {
  const options = people
    .map(({ userId, name }) => `<option value="${escapeHtml(userId)}">${escapeHtml(name)}</option>`)
    .join("");
  return page(
    "Sign in",
    `<form method="post" action="/ui/login">
<p>Application ${escapeHtml(app?.clientId ?? "")}</p>
<input type="hidden" name="authRequestID" value="${escapeHtml(authRequestId)}">
<p><label>Sign in as <select name="userId">${options}</select></label></p>
<button name="decision" value="sign-in">Sign in</button>
<button name="decision" value="cancel">Cancel</button>
</form>`,
  );
}

export function signedOutPage(): HttpResponse {
  return page("Signed out", "<p>You have signed out.</p>");
}

function page(title: string, body: string): HttpResponse {
  return {
    status: 200,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} – ZITADEL sandbox</title>
<h1>${title}</h1>
${body}
</html>
`,
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
