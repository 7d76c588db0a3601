"use client";
import { useActionState } from "react";

interface State {
  kind: "none" | "done" | "failed";
  text: string;
}

/** Asks the route of this server, which holds the token. The page itself never sees it. */
async function deactivate(_previous: State, fields: FormData): Promise<State> {
  const userId = fields.get("userId");
  const grantId = fields.get("grantId");
  try {
    const response = await fetch("/api/deactivate", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ userId, grantId }),
    });
    const body = await response.json();
    return response.ok
      ? { kind: "done", text: `Grant ${grantId} is inactive now.` }
      : { kind: "failed", text: body.message };
  } catch {
    return { kind: "failed", text: "This server cannot be reached. The grant may be unchanged." };
  }
}

export function DeactivateForm() {
  const [state, action, pending] = useActionState<State, FormData>(deactivate, {
    kind: "none",
    text: "",
  });
  return (
    <form action={action}>
      <p>
        <label>
          User <input name="userId" required />
        </label>
      </p>
      <p>
        <label>
          Grant <input name="grantId" required />
        </label>
      </p>
      <button type="submit" disabled={pending}>
        Deactivate
      </button>
      <p role={state.kind === "failed" ? "alert" : "status"}>{state.text}</p>
    </form>
  );
}
