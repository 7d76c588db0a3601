// What the declarations promise: compiled, never run. In `npm test` against the sources, in .ci/run by
// each supported TypeScript against the packed package, for Node and for a page.
import { type Client, Code, type ConnectError, type Transport } from "@connectrpc/connect";
import {
  type ClientOptions,
  close,
  createManagementClient,
  createTransport,
  type describeError,
  type ErrorDescription,
  isGrantInactive,
  isGrantNotFound,
  type ManagementClient,
  type ManagementService,
  type TokenSource,
} from "zitadel-user-grants";
import type { clientCredentials, SignIn, serviceUser, signIn } from "zitadel-user-grants/auth";
import {
  deactivateUserGrants,
  type RemoveOutcome,
  removeUserGrants,
} from "zitadel-user-grants/bulk";
import type { ManagementService as Generated } from "zitadel-user-grants/gen/zitadel/management_pb.js";
import * as grpc from "zitadel-user-grants/grpc";
import * as grpcWeb from "zitadel-user-grants/grpc-web";
import * as json from "zitadel-user-grants/json";
import { createSandbox, startSandbox } from "zitadel-user-grants/sandbox";

/** Compiles where both are the same type; `any` is the same as nothing else. */
function same<A, B>(..._: Same<A, B> extends true ? [] : ["these types differ", A, B]): void {}
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

const baseUrl = "https://example.zitadel.cloud";
const client = createManagementClient({ baseUrl });

// Connect's own types come out, by every entry.
same<typeof client, ManagementClient>();
client satisfies Client<typeof ManagementService>;
const ofConnect = client as Client<typeof ManagementService>;
ofConnect satisfies ManagementClient;
same<typeof Generated, typeof ManagementService>();
same<ReturnType<typeof createTransport>, Transport>();
for (const entry of [grpc, grpcWeb, json]) {
  same<ReturnType<typeof entry.createManagementClient>, ManagementClient>();
  same<ReturnType<typeof entry.createTransport>, Transport>();
}
same<Parameters<typeof createManagementClient>, [options: ClientOptions]>();

// Only baseUrl is required, and undefined counts as not given.
createManagementClient({
  baseUrl,
  token: undefined,
  orgId: undefined,
  instanceHost: undefined,
  defaultTimeoutMs: undefined,
  retry: undefined,
  interceptors: undefined,
  allowInsecure: undefined,
  fetch: undefined,
  nodeOptions: undefined,
});
// @ts-expect-error baseUrl is missing
createManagementClient({ token: "a token" });
// @ts-expect-error a name that no option has
createManagementClient({ baseUrl, orgID: "1" });
// @ts-expect-error a number has no unit but milliseconds
createManagementClient({ baseUrl, defaultTimeoutMs: "30s" });

// The main entry names the options of both halves; the others only their own.
createTransport({ baseUrl, fetch: globalThis.fetch, nodeOptions: { ca: "PEM" } });
// @ts-expect-error native gRPC takes no fetch
grpc.createTransport({ baseUrl, fetch: globalThis.fetch });
// @ts-expect-error fetch takes no TLS settings
grpcWeb.createTransport({ baseUrl, nodeOptions: {} });
// @ts-expect-error JSON has no binary format
json.createTransport({ baseUrl, useBinaryFormat: true });

// Tokens: a string, or a function that may wait.
const source: TokenSource = async (request) => request?.refused ?? "a token";
same<ReturnType<TokenSource>, string | Promise<string>>();
createManagementClient({ baseUrl, token: source });
// @ts-expect-error a source returns the token, not the header's name for it
createManagementClient({ baseUrl, token: () => ({ accessToken: "a token" }) });
same<ReturnType<typeof serviceUser>, TokenSource>();
same<ReturnType<typeof clientCredentials>, TokenSource>();
same<ReturnType<typeof signIn>, SignIn>();
same<SignIn["token"], TokenSource>();

// Errors are taken as they are caught.
const caught: unknown = undefined;
same<ReturnType<typeof describeError>, ErrorDescription>();
same<ErrorDescription["id"], string | undefined>();
isGrantNotFound(caught) satisfies boolean;
isGrantInactive(caught) satisfies boolean;

// Requests and responses.
export async function calls(): Promise<void> {
  const { details } = await client.deactivateUserGrant({ userId: "1", grantId: "2" });
  same<NonNullable<typeof details>["sequence"], bigint>();
  await client.bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs: 1, headers: { "x-a": "b" } });
  // @ts-expect-error a list of ids
  await client.bulkRemoveUserGrant({ grantId: "1" });
  // @ts-expect-error not one of the two methods
  await client.removeUserGrant({ grantId: "1" });
  close(client);

  for await (const outcome of removeUserGrants(client, new Set(["1"]))) {
    same<typeof outcome, RemoveOutcome>();
    same<typeof outcome.status, "removed" | "not-found" | "failed">();
    same<typeof outcome.error, ConnectError | undefined>();
    same<typeof outcome.answerLost, true | undefined>();
  }
  for await (const { status } of deactivateUserGrants(client, [{ userId: "1", grantId: "2" }])) {
    same<typeof status, "deactivated" | "already-inactive" | "not-found" | "failed">();
  }
  // @ts-expect-error the user of each grant is needed
  deactivateUserGrants(client, [{ grantId: "2" }]);

  const sandbox = await startSandbox({ generation: "v2.70" });
  same<typeof sandbox.baseUrl, string>();
  const memory = createSandbox();
  same<typeof memory.transport, Transport>();
  same<ReturnType<typeof memory.addGrant>, { userId: string; grantId: string }>();
  same<NonNullable<ReturnType<typeof memory.grant>>["state"], "active" | "inactive">();
  memory.failNext({ code: Code.Unavailable, times: 2, rpc: "BulkRemoveUserGrant" });
  // @ts-expect-error the sandbox does not serve it
  memory.failNext({ lost: true, rpc: "RemoveUserGrant" });
  createSandbox({ seed: { grants: [{ grantId: "1", roleKeys: ["reader"] }] } });
  // @ts-expect-error there is no such state
  createSandbox({ seed: { grants: [{ state: "gone" }] } });
  // @ts-expect-error in memory there is no port
  createSandbox({ port: 1 });
}
