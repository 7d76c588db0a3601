// Removes grants that have been inactive for DAYS days (90 by default). Without --yes it only lists them:
//
//   ZITADEL_URL=https://… ZITADEL_TOKEN=… ZITADEL_ORG_ID=… node remove-inactive.ts [--yes]
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { UserGrantState } from "@zitadel/proto/zitadel/user_pb.js";
import { close, createManagementClient, describeError } from "zitadel-user-grants";
import { removeUserGrants } from "zitadel-user-grants/bulk";
import { createTransport } from "zitadel-user-grants/json";

const { ZITADEL_URL, ZITADEL_TOKEN, ZITADEL_ORG_ID, DAYS = "90" } = process.env;
if (!ZITADEL_URL || !ZITADEL_TOKEN || !ZITADEL_ORG_ID) {
  throw new Error("Set ZITADEL_URL, ZITADEL_TOKEN and ZITADEL_ORG_ID");
}
if (!/^\d{1,5}$/.test(DAYS)) {
  throw new Error(`DAYS must be a number of days, got ${DAYS}`);
}
const inactiveSince = Date.now() - Number(DAYS) * 24 * 60 * 60 * 1000;
const options = { baseUrl: ZITADEL_URL, token: ZITADEL_TOKEN, orgId: ZITADEL_ORG_ID, retry: true };

// A job that is stopped ends its requests and reports what is open.
const stopped = new AbortController();
process.once("SIGTERM", () => stopped.abort());
process.once("SIGINT", () => stopped.abort());

const grantIds = await listInactiveGrants();
if (!process.argv.includes("--yes")) {
  for (const grantId of grantIds) {
    console.log(JSON.stringify({ grantId }));
  }
  console.error(`${grantIds.length} grants would be removed; add --yes to remove them`);
} else {
  const client = createManagementClient(options);
  const counts = { removed: 0, "not-found": 0, failed: 0 };
  try {
    for await (const outcome of removeUserGrants(client, grantIds, { signal: stopped.signal })) {
      counts[outcome.status]++;
      const { grantId, status, answerLost, error } = outcome;
      console.log(JSON.stringify({ grantId, status, answerLost, error: error?.message }));
    }
  } catch (error) {
    console.error(describeError(error).message);
    process.exitCode = 1;
  } finally {
    close(client);
  }
  console.error(JSON.stringify(counts));
  if (counts.failed > 0) {
    process.exitCode = 1;
  }
}

/** In one request, with a limit above the total: ZITADEL's lists have no order, and pages leave grants out. */
async function listInactiveGrants(): Promise<string[]> {
  const listing = createClient(ManagementService, createTransport(options));
  const { result, details } = await listing.listUserGrants(
    { query: { limit: 10_000 } },
    { signal: stopped.signal },
  );
  const total = Number(details?.totalResult ?? 0);
  if (result.length < total) {
    throw new Error(`${result.length} of ${total} grants could be read: list project by project`);
  }
  return result
    .filter(({ state, details }) => {
      const changedAt = details?.changeDate && timestampDate(details.changeDate).getTime();
      return (
        state === UserGrantState.INACTIVE && changedAt !== undefined && changedAt < inactiveSince
      );
    })
    .map(({ id }) => id);
}
