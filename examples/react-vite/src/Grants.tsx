import { startTransition, useEffect, useOptimistic, useState } from "react";
import { explain, type Grant, listGrants, revoke } from "./zitadel.ts";

/** The grants of the organization, each with a button that revokes it. */
export function Grants() {
  const [grants, setGrants] = useState<Grant[]>();
  const [error, setError] = useState<string>();
  // Shown as revoked at once; React takes it back when the call ends without success.
  const [revoking, addRevoking] = useOptimistic<string[], string>([], (ids, id) => [...ids, id]);

  useEffect(() => {
    const left = new AbortController();
    listGrants(left.signal).then(setGrants, (reason) => {
      if (!left.signal.aborted) {
        setError(explain(reason));
      }
    });
    return () => left.abort();
  }, []);

  const onRevoke = (grant: Grant) =>
    startTransition(async () => {
      addRevoking(grant.id);
      setError(undefined);
      try {
        await revoke(grant);
        startTransition(() => setGrants((all) => all?.filter(({ id }) => id !== grant.id)));
      } catch (reason) {
        startTransition(() =>
          setError(
            `${grant.displayName} still has access to ${grant.projectName}: ${explain(reason)}`,
          ),
        );
      }
    });

  return (
    <>
      {error !== undefined && <p role="alert">{error}</p>}
      {grants === undefined ? (
        error === undefined && <p>Loading…</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Person</th>
              <th>Project</th>
              <th>Roles</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {grants.map((grant) => {
              const pending = revoking.includes(grant.id);
              return (
                <tr key={grant.id} className={pending ? "pending revoked" : undefined}>
                  <td>{grant.displayName}</td>
                  <td>{grant.projectName}</td>
                  <td>{grant.roleKeys.join(", ")}</td>
                  <td>
                    <button type="button" disabled={pending} onClick={() => onRevoke(grant)}>
                      Revoke
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}
