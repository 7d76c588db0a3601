// Removes so many grants, and prints the most heap in use on the way, in bytes:
// node --expose-gc memory-program.js <count> <mode>, a mode being "", "distinct" or "distinct, lost"
import { Code, ConnectError } from "@connectrpc/connect";
import { removeUserGrants } from "../../dist/bulk/index.js";

const [, , count, mode = ""] = process.argv;
let requests = 0;
const client = {
  async bulkRemoveUserGrant() {
    requests += 1;
    if (mode.includes("lost") && requests % 2 === 1) {
      throw new ConnectError("reset", Code.Aborted);
    }
    return {};
  },
};

function* ids() {
  for (let i = 0; i < Number(count); i++) {
    yield `4006901056${String(i).padStart(8, "0")}`;
  }
}

let most = 0;
let done = 0;
for await (const { status } of removeUserGrants(client, ids(), {
  distinct: mode !== "",
  concurrency: 32,
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
