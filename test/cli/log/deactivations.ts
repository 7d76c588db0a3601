import { closeSync, openSync, writeSync } from "node:fs";

interface Grant {
  readonly id: string;
  readonly userId: string;
  readonly userName: string;
  readonly email: string;
  readonly projectId: string;
  readonly roleKeys: readonly string[];
}

/** Writes the log of a run that has deactivated many grants: each has three lines, and a request id. */
export function writeDeactivations(
  path: string,
  url: string,
  total: number,
  grantOf: (n: number) => Grant,
): void {
  const file = openSync(path, "w");
  const at = "2026-11-24T08:00:00.000Z";
  const write = (entries: readonly unknown[]) =>
    writeSync(file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  const inBlocks = (entriesOf: (grants: readonly Grant[], from: number) => readonly unknown[]) => {
    for (let from = 0; from < total; from += 200) {
      write(
        entriesOf(
          Array.from({ length: 200 }, (_, n) => grantOf(from + n)),
          from,
        ),
      );
    }
  };
  write([{ log: "zitadel-user-grants", version: 1 }]);
  inBlocks((grants) => [
    {
      grants: grants.map(({ id: grantId, userId, userName, email, projectId, roleKeys }) => {
        const recorded = { state: "active", roleKeys, projectId };
        return { grantId, userId, userName, email, recorded };
      }),
    },
  ]);
  write([
    {
      ...{ run: "started", at, command: "deactivate", url },
      ...{ orgId: "2", orgGiven: false, accountId: "1" },
    },
  ]);
  inBlocks((grants, from) =>
    grants.flatMap(({ id }, n) => [
      { request: `a-${from + n}`, ids: [id] },
      { answer: `a-${from + n}`, ok: true, at, requestId: `h1n0i01ksd${from + n}` },
      { grantId: id, status: "deactivated", at },
    ]),
  );
  closeSync(file);
}
