import { ConnectError } from "@connectrpc/connect";
import { createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import * as json from "zitadel-user-grants/json";
import type { CommonOptions } from "../../src/options/options.js";

/** The options of a client, and which entry makes it. */
interface Target extends CommonOptions {
  protocol: "gRPC-web" | "JSON";
}

function createClient({ protocol, ...options }: Target) {
  return protocol === "JSON"
    ? json.createManagementClient(options)
    : createManagementClient(options);
}

/** What a call came to, in a form that leaves the page. */
async function outcome(call: Promise<unknown>) {
  try {
    await call;
    return { ok: true };
  } catch (error) {
    return {
      ok: false,
      ...describeError(error),
      notFound: isGrantNotFound(error),
      cause: error instanceof ConnectError ? String(error.cause) : undefined,
    };
  }
}

const scenarios = {
  deactivate: (target: Target, grant: { userId: string; grantId: string }, timeoutMs?: number) =>
    outcome(
      createClient(target).deactivateUserGrant(grant, timeoutMs === undefined ? {} : { timeoutMs }),
    ),
  remove: (target: Target, grantId: string[]) =>
    outcome(createClient(target).bulkRemoveUserGrant({ grantId })),
  abort: (target: Target, grant: { userId: string; grantId: string }) => {
    const controller = new AbortController();
    const call = outcome(
      createClient(target).deactivateUserGrant(grant, { signal: controller.signal }),
    );
    controller.abort("the manager left");
    return call;
  },
};

export type Scenarios = typeof scenarios;
Object.assign(globalThis, { scenarios });
