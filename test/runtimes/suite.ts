import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type {
  ClientOptions,
  close,
  createManagementClient,
  describeError,
  isGrantNotFound,
  ManagementClient,
} from "zitadel-user-grants";
import { serviceUser } from "zitadel-user-grants/auth";
import { deactivateUserGrants, removeUserGrants } from "zitadel-user-grants/bulk";
import type { Result, Surroundings } from "./surroundings.ts";

/** What every entry with a protocol exports, as far as it is tried here. */
export interface Entry {
  createManagementClient: typeof createManagementClient;
  close: typeof close;
  describeError: typeof describeError;
  isGrantNotFound: typeof isGrantNotFound;
}

/**
 * The same checks for any runtime: nothing here is of Node, of a browser or of a test runner. Each of
 * them is tried, and what went wrong comes back as text.
 */
export async function runSuite(entry: Entry, surroundings: Surroundings): Promise<Result[]> {
  const { baseUrl, slowBaseUrl, goingAwayBaseUrl, hidesRequestId, token, orgId, many } =
    surroundings;
  const grants = [...surroundings.grants];
  const take = () => {
    const grant = grants.shift();
    equal(grant !== undefined, true, "a grant is left");
    return grant ?? { userId: "", grantId: "" };
  };
  const results: Result[] = [];
  const check = async (title: string, body: (client: ClientOf) => Promise<void>) => {
    const clients: ManagementClient[] = [];
    try {
      await body((options) => {
        const client = entry.createManagementClient({ baseUrl, token, orgId, ...options });
        clients.push(client);
        return client;
      });
      results.push({ title });
    } catch (error) {
      results.push({ title, error: error instanceof Error ? `${error}` : JSON.stringify(error) });
    } finally {
      for (const client of clients) {
        entry.close(client);
      }
    }
  };

  await check("deactivates and removes a grant", async (createClient) => {
    const client = createClient({});
    const { userId, grantId } = take();
    const { details } = await client.deactivateUserGrant({ userId, grantId });
    equal(details?.resourceOwner, orgId, "resource owner");
    await client.bulkRemoveUserGrant({ grantId: [grantId] });
    const error = await failure(client.bulkRemoveUserGrant({ grantId: [grantId] }));
    equal(entry.isGrantNotFound(error), true, "gone after its removal");
  });

  await check("an error comes with its code, id, message and request id", async (createClient) => {
    const error = await failure(
      createClient({}).deactivateUserGrant({ userId: "1", grantId: "no such grant" }),
    );
    const { code, id, message, requestId } = entry.describeError(error);
    equal(code, Code.NotFound, "code");
    equal(id, "COMMAND-3M9sd", "id");
    equal(message, "User grant not found", "message");
    equal(typeof requestId, hidesRequestId ? "undefined" : "string", "request id");
  });

  await check("a call without a response ends at its deadline", async (createClient) => {
    const client = createClient({ baseUrl: slowBaseUrl });
    const error = await failure(client.bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs: 200 }));
    equal(codeOf(error), "DeadlineExceeded", "code");
  });

  await check("an aborted call ends as the caller's", async (createClient) => {
    const controller = new AbortController();
    const client = createClient({ baseUrl: slowBaseUrl });
    const call = client.bulkRemoveUserGrant({ grantId: ["1"] }, { signal: controller.signal });
    setTimeout(() => controller.abort("the reason"), 50);
    const error = await failure(call);
    equal(codeOf(error), "Canceled", "code");
    equal((error as Error).cause, "the reason", "cause");
  });

  await check("a refused token is renewed, once for the call", async (createClient) => {
    const asked: (string | undefined)[] = [];
    const client = createClient({
      token: async ({ refused } = {}) => {
        asked.push(refused);
        return refused === undefined ? "stale" : token;
      },
    });
    const { userId, grantId } = take();
    await client.deactivateUserGrant({ userId, grantId });
    equal(JSON.stringify(asked), '[null,"stale"]', "what the token source was asked");
  });

  if (surroundings.serviceUser !== undefined) {
    const { key, issuer } = surroundings.serviceUser;
    await check("a service user's key gets tokens", async (createClient) => {
      const { userId, grantId } = take();
      const client = createClient({ token: serviceUser(key, { issuer }) });
      await client.deactivateUserGrant({ userId, grantId });
    });
  }

  await check("the caller's interceptors see a call, and no token", async (createClient) => {
    const seen: string[] = [];
    const interceptor: Interceptor = (next) => (request) => {
      seen.push(request.method.name, String(request.header.get("authorization")));
      return next(request);
    };
    const { userId, grantId } = take();
    const client = createClient({ interceptors: [interceptor] });
    await client.deactivateUserGrant({ userId, grantId });
    equal(seen.join(), "DeactivateUserGrant,null", "what the interceptor saw");
  });

  await check("a request of a hundred kilobytes gets through", async (createClient) => {
    const grantId = Array.from({ length: 5000 }, (_, index) => `no such grant ${index}`);
    const error = await failure(createClient({}).bulkRemoveUserGrant({ grantId }));
    equal(entry.describeError(error).id, "COMMAND-1My0t", "id");
  });

  if (goingAwayBaseUrl !== undefined) {
    await check("a connection that the server closes is replaced", async (createClient) => {
      const client = createClient({ baseUrl: goingAwayBaseUrl });
      for (let call = 1; call <= 5; call++) {
        await client.bulkRemoveUserGrant({ grantId: ["1"] });
      }
    });
  }

  await check(`${many} calls at once all succeed`, async (createClient) => {
    const client = createClient({});
    await Promise.all(Array.from({ length: many }, () => client.deactivateUserGrant(take())));
  });

  await check(`${many} grants are deactivated and removed in bulk`, async (createClient) => {
    const client = createClient({});
    const taken = Array.from({ length: many }, take);
    const statuses = new Set<string>();
    for await (const { status } of deactivateUserGrants(client, taken)) {
      statuses.add(status);
    }
    const ids = taken.map(({ grantId }) => grantId);
    for await (const { status } of removeUserGrants(client, [...ids, "no such grant"])) {
      statuses.add(status);
    }
    equal([...statuses].sort().join(), "deactivated,not-found,removed", "what became of them");
  });

  return results;
}

type ClientOf = (options: Partial<ClientOptions>) => ManagementClient;

async function failure(call: Promise<unknown>): Promise<unknown> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (outcome === undefined) {
    throw new Error("the call should have failed");
  }
  return outcome.error;
}

function codeOf(error: unknown): string {
  return error instanceof ConnectError ? (Code[error.code] ?? "") : String(error);
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) {
    throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
  }
}
