import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { SignedIn, session, useUser } from "./session.tsx";

function Hello() {
  const user = useUser();
  return (
    <button type="button" onClick={() => session.signOut()}>
      {`Hello ${user?.name}`}
    </button>
  );
}

createRoot(document.body.appendChild(document.createElement("div"))).render(
  <StrictMode>
    <SignedIn>
      <Hello />
    </SignedIn>
  </StrictMode>,
);
