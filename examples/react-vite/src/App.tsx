import { useEffect, useState } from "react";
import { Grants } from "./Grants.tsx";
import { completeSignIn, explain, session } from "./zitadel.ts";

export function App() {
  const [signedIn, setSignedIn] = useState<boolean>();
  const [error, setError] = useState<string>();

  useEffect(() => {
    completeSignIn()
      .catch((reason) => setError(explain(reason)))
      .finally(() => setSignedIn(session.signedIn));
  }, []);

  const attempt = (promise: Promise<unknown>) =>
    promise.catch((reason) => setError(explain(reason)));

  return (
    <>
      <header>
        <h1>Project access</h1>
        {signedIn === false && (
          <button type="button" onClick={() => attempt(session.start())}>
            Sign in
          </button>
        )}
        {signedIn && (
          <button type="button" onClick={() => attempt(session.signOut())}>
            Sign out
          </button>
        )}
      </header>
      {error !== undefined && <p role="alert">{error}</p>}
      {signedIn && <Grants />}
    </>
  );
}
