import assert from "node:assert/strict";
import { startFakeZitadel, token } from "./fake-zitadel.js";
import { removeProjectGrants } from "./remove-project-grants.js";

const zitadel = await startFakeZitadel(2500);
const options = { baseUrl: zitadel.grpcBaseUrl, token };
assert.deepEqual(await removeProjectGrants(options, "the-project"), { removed: 2500 });
assert.equal(zitadel.grants.size, 2500);
zitadel.close();
console.log("ok");
