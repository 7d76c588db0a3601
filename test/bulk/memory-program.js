// Removes so many grants with a client that always says yes, and prints the most heap in use on the way,
// in bytes: node --expose-gc memory-program.js <count> <distinct>
import { removeUserGrants } from "../../dist/bulk/index.js";

const [, , count, distinct] = process.argv;
const client = { bulkRemoveUserGrant: async () => ({}), deactivateUserGrant: async () => ({}) };

function* ids() {
  for (let i = 0; i < Number(count); i++) {
    yield `4006901056${String(i).padStart(8, "0")}`;
  }
}

let most = 0;
let done = 0;
for await (const { status } of removeUserGrants(client, ids(), {
  distinct: distinct === "true",
})) {
  if (status !== "removed") {
    throw new Error(`${status} where all are removed`);
  }
  done += 1;
  if (done % (Number(count) / 10) === 0) {
    globalThis.gc();
    most = Math.max(most, process.memoryUsage().heapUsed);
  }
}
console.log(most);
