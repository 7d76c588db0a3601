// Deactivates grants for whoever may reach it: POST / with {"userId": "…", "grantId": "…"}.
//
//   ZITADEL_URL=https://example.zitadel.cloud ZITADEL_KEY_FILE=key.json node service.ts
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { close, createManagementClient, describeError } from "zitadel-user-grants";
import { serviceUser } from "zitadel-user-grants/auth";

const { ZITADEL_URL, ZITADEL_KEY_FILE, ZITADEL_ORG_ID, PORT = "8000" } = process.env;
if (ZITADEL_URL === undefined || ZITADEL_KEY_FILE === undefined) {
  throw new Error("Set ZITADEL_URL and ZITADEL_KEY_FILE");
}

const client = createManagementClient({
  baseUrl: ZITADEL_URL,
  // Gets a token when the first call needs one, and the next in time.
  token: serviceUser(await readFile(ZITADEL_KEY_FILE, "utf8"), { issuer: ZITADEL_URL }),
  orgId: ZITADEL_ORG_ID,
});

const server = createServer(async (request, response) => {
  const respond = (status: number, body: unknown) =>
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(`${JSON.stringify(body)}\n`);
  try {
    const { userId, grantId } = (await json(request)) as { userId: string; grantId: string };
    await client.deactivateUserGrant({ userId, grantId });
    respond(200, { grantId, state: "inactive" });
  } catch (error) {
    const { id, message, requestId } = describeError(error);
    respond(502, { id, message, requestId });
  }
});
server.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`Listening at ${JSON.stringify(server.address())}`);
});

process.once("SIGTERM", () => {
  server.close(() => close(client));
});
