import { close, createManagementClient } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";
import { ask, nextMessage, start } from "./processes.js";
import { median, summarize } from "./statistics.js";

/** A real server's times: what a request takes, and what each id in it adds. */
const requestMs = 7;
const idMs = 0.6;
const sizes = [
  { count: 1_000, rounds: 7 },
  { count: 10_000, rounds: 3 },
  { count: 100_000, rounds: 1 },
];

/** What one would write by hand: plain fetch, 100 ids a request, four requests at a time. */
async function removeByHand({ baseUrl, token, orgId }, ids) {
  let from = 0;
  const loop = async () => {
    while (from < ids.length) {
      const grantId = ids.slice(from, from + 100);
      from += 100;
      const response = await fetch(`${baseUrl}/management/v1/user_grants/_bulk`, {
        method: "DELETE",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "x-zitadel-orgid": orgId,
        },
        body: JSON.stringify({ grantId }),
      });
      await response.json();
      if (!response.ok) {
        throw new Error(`HTTP ${response.status}`);
      }
    }
  };
  await Promise.all([loop(), loop(), loop(), loop()]);
}

async function rate(count, run) {
  const startMs = performance.now();
  await run();
  return (count * 1000) / (performance.now() - startMs);
}

/** Removals a second at a real server's pace, by hand and with removeUserGrants, and their ratio. */
export async function measurePace(chosen = sizes) {
  const server = start("bulk-server.js", [String(requestMs), String(idMs)]);
  const target = await nextMessage(server);
  const client = createManagementClient(target);
  const byHand = (ids) => removeByHand(target, ids);
  const byUs = async (ids) => {
    const { counts } = await removeUserGrants(client, ids).summary();
    if (counts.removed !== ids.length) {
      throw new Error(`not all were removed: ${JSON.stringify(counts)}`);
    }
  };
  // Connections are open, and code is compiled.
  await byHand(await ask(server, 1_000));
  await byUs(await ask(server, 1_000));
  const results = [];
  for (const { count, rounds } of chosen) {
    const done = [];
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [byHand, byUs] : [byUs, byHand];
      const rates = new Map();
      for (const run of order) {
        const ids = await ask(server, count);
        rates.set(run, await rate(count, () => run(ids)));
      }
      done.push({ hand: rates.get(byHand), own: rates.get(byUs) });
    }
    results.push({
      count,
      hand: median(done.map(({ hand }) => hand)),
      own: median(done.map(({ own }) => own)),
      ratio: summarize(done.map(({ hand, own }) => own / hand)),
    });
  }
  close(client);
  server.kill();
  return { requestMs, idMs, results };
}
