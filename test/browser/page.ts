import { ConnectError } from "@connectrpc/connect";
import { createManagementClient, describeError, isGrantNotFound } from "zitadel-user-grants";
import type { CommonOptions } from "../../src/options.js";

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
  deactivate: (
    options: CommonOptions,
    grant: { userId: string; grantId: string },
    timeoutMs?: number,
  ) =>
    outcome(
      createManagementClient(options).deactivateUserGrant(
        grant,
        timeoutMs === undefined ? {} : { timeoutMs },
      ),
    ),
  remove: (options: CommonOptions, grantId: string[]) =>
    outcome(createManagementClient(options).bulkRemoveUserGrant({ grantId })),
  abort: (options: CommonOptions, grant: { userId: string; grantId: string }) => {
    const controller = new AbortController();
    const call = outcome(
      createManagementClient(options).deactivateUserGrant(grant, { signal: controller.signal }),
    );
    controller.abort("the manager left");
    return call;
  },
};

export type Scenarios = typeof scenarios;
Object.assign(globalThis, { scenarios });
