import "server-only";
import { createManagementClient, type ManagementClient } from "zitadel-user-grants";

const { ZITADEL_URL, ZITADEL_TOKEN, ZITADEL_ORG_ID } = process.env;

let shared: ManagementClient | undefined;

/** One client for all requests: it keeps its connection. Made by the first, since a build has no token. */
export function zitadel(): ManagementClient {
  if (!ZITADEL_URL || !ZITADEL_TOKEN) {
    throw new Error("Set ZITADEL_URL and ZITADEL_TOKEN");
  }
  shared ??= createManagementClient({
    baseUrl: ZITADEL_URL,
    token: ZITADEL_TOKEN,
    orgId: ZITADEL_ORG_ID || undefined,
  });
  return shared;
}
