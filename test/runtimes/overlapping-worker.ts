// A worker as people write it: client and token source in global scope, which all its requests share.
import { env } from "cloudflare:workers";
import * as entry from "the-entry";
import { clientCredentials, serviceUser } from "zitadel-user-grants/auth";
import type { Bindings, Order } from "./run-overlapping.ts";

const { baseUrl, sourceName, key, clientSecret } = env as Bindings;
const token =
  sourceName === "serviceUser"
    ? serviceUser(key, { issuer: baseUrl })
    : clientCredentials({ issuer: baseUrl, ...clientSecret });
const client = entry.createManagementClient({ baseUrl, token });

export default {
  async fetch(request: Request): Promise<Response> {
    const { leavesEarly, ...grant } = (await request.json()) as Order;
    const outcome = client.deactivateUserGrant(grant, { timeoutMs: 5000 }).then(
      () => "deactivated",
      (error: unknown) => String(error),
    );
    await fetch("http://runner/call-begun");
    return new Response(leavesEarly ? "left" : await outcome);
  },
};
