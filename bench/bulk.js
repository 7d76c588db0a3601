import { close, createManagementClient } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";
import { ask, nextMessage, start } from "./processes.js";
import { summarize } from "./statistics.js";

const rounds = 3;

const ways = {
  removeUserGrants: {
    count: 20_000,
    async run(client, ids) {
      for await (const { status, error } of removeUserGrants(client, ids)) {
        if (status !== "removed") {
          throw error;
        }
      }
    },
  },
  "one call for each, four at a time": {
    count: 4_000,
    run: (client, ids) => oneByOne(client, ids, 4),
  },
  "one call for each, one at a time": {
    count: 4_000,
    run: (client, ids) => oneByOne(client, ids, 1),
  },
};

async function oneByOne(client, ids, atATime) {
  const left = ids.values();
  const loop = async () => {
    for (const id of left) {
      await client.bulkRemoveUserGrant({ grantId: [id] });
    }
  };
  await Promise.all(Array.from({ length: atATime }, loop));
}

/** Removals a second, and CPU time of the client for each, against the sandbox in another process. */
export async function measureBulk() {
  const server = start("bulk-server.js", []);
  const client = createManagementClient(await nextMessage(server));
  const samples = new Map(Object.keys(ways).map((way) => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [way, { count, run }] of Object.entries(ways)) {
      const ids = await ask(server, count);
      const cpu = process.cpuUsage();
      const startMs = performance.now();
      await run(client, ids);
      const seconds = (performance.now() - startMs) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      samples.get(way).push({ rate: count / seconds, cpuUs: (user + system) / count });
    }
  }
  close(client);
  server.kill();
  return Array.from(samples, ([way, runs]) => ({
    way,
    rate: summarize(runs.map(({ rate }) => rate)),
    cpuUs: summarize(runs.map(({ cpuUs }) => cpuUs)),
  }));
}
