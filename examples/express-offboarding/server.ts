// Revokes all access of a person when the HR system says that the person has left:
//
//   ZITADEL_URL=https://… ZITADEL_KEY_FILE=key.json WEBHOOK_SECRET=… node server.ts
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { close, createManagementClient, describeError } from "zitadel-user-grants";
import { serviceUser } from "zitadel-user-grants/auth";
import { createTransport } from "zitadel-user-grants/json";
import { createListing, offboard } from "./offboard.ts";

const {
  ZITADEL_URL,
  ZITADEL_KEY_FILE,
  ZITADEL_ORG_ID,
  WEBHOOK_SECRET,
  PORT = "8000",
} = process.env;
if (!ZITADEL_URL || !ZITADEL_KEY_FILE || !WEBHOOK_SECRET) {
  throw new Error("Set ZITADEL_URL, ZITADEL_KEY_FILE and WEBHOOK_SECRET");
}

const options = {
  baseUrl: ZITADEL_URL,
  token: serviceUser(await readFile(ZITADEL_KEY_FILE, "utf8"), { issuer: ZITADEL_URL }),
  orgId: ZITADEL_ORG_ID || undefined,
  retry: true,
};
const client = createManagementClient(options);
const listing = createListing(createTransport(options));

/** Rejects events that the HR system did not sign with the shared secret. */
const checkSignature: RequestHandler = (request, response, next) => {
  // Without a body there is none of that type.
  request.body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const expected = createHmac("sha256", WEBHOOK_SECRET).update(request.body).digest();
  const given = Buffer.from(request.get("x-signature-sha256") ?? "", "hex");
  if (given.length === expected.length && timingSafeEqual(given, expected)) {
    next();
  } else {
    response.status(401).json({ message: "x-signature-sha256 does not match the body" });
  }
};

const app = express();
app.post(
  "/hr-events",
  express.raw({ type: "*/*", limit: "64kb" }),
  checkSignature,
  async (request, response) => {
    const event = parseEvent(request.body);
    if (event === undefined) {
      response.status(400).json({ message: 'expected {"type": string, "userId": string}' });
      return;
    }
    if (event.type !== "person.left") {
      response.status(204).end();
      return;
    }
    const left = new AbortController();
    response.on("close", () => left.abort());
    const { counts } = await offboard(listing, client, event.userId, left.signal);
    // With anything but success the sender delivers the event again, and what is left is tried again.
    response.status(counts.failed === 0 ? 200 : 502).json({ userId: event.userId, counts });
  },
);
app.use(((error, _request, response, _next) => {
  const { id, message, requestId } = describeError(error);
  response.status(502).json({ id, message, requestId });
}) satisfies ErrorRequestHandler);

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`Listening on port ${(server.address() as AddressInfo).port}`);
});
process.once("SIGTERM", () => {
  server.close(() => close(client));
});

function parseEvent(body: Buffer): { type: string; userId: string } | undefined {
  try {
    const { type, userId } = JSON.parse(body.toString("utf8"));
    const valid = typeof type === "string" && typeof userId === "string" && userId !== "";
    return valid ? { type, userId } : undefined;
  } catch {
    return undefined;
  }
}
