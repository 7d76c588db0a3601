import { useEffect, useState, useSyncExternalStore } from "react";
import { Grants } from "./Grants.tsx";
import { completeSignIn, explain, session } from "./zitadel.ts";

export function App() {
  // Undefined also when the session has ended, here or in another tab.
  const user = useSyncExternalStore(session.onChange, session.user);
  const [ready, setReady] = useState(false);
  const [error, setError] = useState<string>();

  useEffect(() => {
    completeSignIn()
      .catch((reason) => setError(explain(reason)))
      .finally(() => setReady(true));
  }, []);

  const attempt = (promise: Promise<unknown>) =>
    promise.catch((reason) => setError(explain(reason)));

  return (
    <>
      <header>
        <h1>Project access</h1>
        {ready && user === undefined && (
          <button type="button" onClick={() => attempt(session.start())}>
            Sign in
          </button>
        )}
        {user !== undefined && (
          <button type="button" onClick={() => attempt(session.signOut())}>
            Sign out
          </button>
        )}
      </header>
      {error !== undefined && <p role="alert">{error}</p>}
      {user !== undefined && <Grants />}
    </>
  );
}
