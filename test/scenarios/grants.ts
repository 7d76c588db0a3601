import { toJson } from "@bufbuild/protobuf";
import { DeactivateUserGrantResponseSchema } from "../../src/index.js";
import { failure, foreign, own, type Scenario } from "./scenario.js";

const unknownGrant = { userId: "1", grantId: "999999999999999999" };
const notFound = own("NotFound", "COMMAND-3M9sd", "User grant not found");
const tokenInvalid = own(
  "Unauthenticated",
  "AUTH-7fs1e",
  "Errors.Token.Invalid",
  "Errors.Token.Invalid: the token is unknown or has expired, or it was issued without the scope urn:zitadel:iam:org:project:id:zitadel:aud",
);

const deactivations: Scenario[] = [
  {
    title: "a deactivation returns the details, 64-bit sequence and date included",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant();
      const message = await client().deactivateUserGrant(grant);
      const { details } = toJson(DeactivateUserGrantResponseSchema, message) as {
        details: Record<string, string>;
      };
      return {
        state: sandbox.grant(grant.grantId)?.state,
        sequence: typeof message.details?.sequence,
        owner: details.resourceOwner === sandbox.orgId,
        changed: Math.abs(Date.parse(details.changeDate ?? "") - Date.now()) < 60_000,
        created: message.details?.creationDate,
      };
    },
    expected: {
      state: "inactive",
      sequence: "bigint",
      owner: true,
      changed: true,
      created: undefined,
    },
  },
  {
    title: "a second deactivation succeeds",
    generation: "v4",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant({ state: "inactive" });
      return typeof (await client().deactivateUserGrant(grant)).details?.sequence;
    },
    expected: "bigint",
  },
  {
    title: "a second deactivation is rejected",
    generation: "v2.70",
    run: ({ sandbox, client }) =>
      failure(client().deactivateUserGrant(sandbox.addGrant({ state: "inactive" }))),
    expected: own("FailedPrecondition", "COMMAND-1S9gx", "User grant is not active"),
  },
  {
    title: "a grant that is not there",
    run: ({ client }) => failure(client().deactivateUserGrant(unknownGrant)),
    expected: notFound,
  },
  {
    title: "a grant of another organization",
    run: ({ sandbox, client }) => {
      const { orgId } = sandbox.addOrg();
      return failure(client().deactivateUserGrant(sandbox.addGrant({ orgId })));
    },
    expected: notFound,
  },
  {
    title: "an id that is too long",
    run: ({ client }) =>
      failure(client().deactivateUserGrant({ userId: "1", grantId: "x".repeat(201) })),
    expected: foreign("InvalidArgument", "invalid grantId: 1 to 200 characters are required"),
  },
  {
    title: "ids that mean something in a URL are ids",
    run: async ({ sandbox, client }) => {
      const ids = ["a b", "a%2Fb", "a?b=c&d", "a#b", "a\\b", "a:b", "a+b", "%"];
      const states = ids.map(async (id) => {
        const grant = sandbox.addGrant({ grantId: id, userId: `u${id}` });
        await client().deactivateUserGrant(grant);
        return sandbox.grant(id)?.state;
      });
      return new Set(await Promise.all(states));
    },
    expected: new Set(["inactive"]),
  },
  {
    title: "messages in the caller's language, with the id the same",
    run: ({ client }) =>
      failure(client().deactivateUserGrant(unknownGrant, { headers: { "accept-language": "de" } })),
    expected: own(
      "NotFound",
      "COMMAND-3M9sd",
      "Benutzer Berechtigung konnte nicht gefunden werden",
    ),
  },
];

const removals: Scenario[] = [
  {
    title: "a removal of several grants, active or not, some named twice",
    run: async ({ sandbox, client }) => {
      const ids = [sandbox.addGrant().grantId, sandbox.addGrant({ state: "inactive" }).grantId];
      const response = await client().bulkRemoveUserGrant({ grantId: [...ids, ...ids] });
      return { response: { ...response }, left: ids.map((id) => sandbox.grant(id)) };
    },
    expected: {
      response: { $typeName: "zitadel.management.v1.BulkRemoveUserGrantResponse" },
      left: [undefined, undefined],
    },
  },
  {
    title: "a removal of ten thousand grants",
    run: async ({ sandbox, client }) => {
      const ids = Array.from({ length: 10_000 }, () => sandbox.addGrant().grantId);
      await client().bulkRemoveUserGrant({ grantId: ids });
      return ids.filter((id) => sandbox.grant(id) !== undefined).length;
    },
    expected: 0,
  },
  {
    title: "one unknown id fails the whole removal",
    run: async ({ sandbox, client }) => {
      const { grantId } = sandbox.addGrant();
      const error = await failure(
        client().bulkRemoveUserGrant({ grantId: [grantId, unknownGrant.grantId] }),
      );
      return { error, left: sandbox.grant(grantId)?.state };
    },
    expected: {
      error: own("NotFound", "COMMAND-1My0t", "User grant not found"),
      left: "active",
    },
  },
  {
    title: "an empty list",
    run: ({ client }) => failure(client().bulkRemoveUserGrant({ grantId: [] })),
    expected: own("InvalidArgument", "COMMAND-5M0sd", "Id missing"),
  },
  {
    title: "an empty id in the list",
    run: ({ client }) => failure(client().bulkRemoveUserGrant({ grantId: [""] })),
    expected: own("InvalidArgument", "COMMAND-J9sc5", "Id missing"),
  },
  {
    title: "a request over 4 MiB",
    run: async ({ client }) => {
      const ids = Array.from({ length: 230_000 }, () => "4".repeat(18));
      // The gateway sends a request id, gRPC does not.
      const error = await failure(client().bulkRemoveUserGrant({ grantId: ids }));
      return { ...error, requestId: undefined };
    },
    expected: {
      ...foreign(
        "ResourceExhausted",
        "grpc: received message larger than max (4600000 vs. 4194304)",
      ),
      requestId: undefined,
    },
  },
];

const callers: Scenario[] = [
  {
    title: "no token",
    run: ({ client }) => failure(client({ token: undefined }).deactivateUserGrant(unknownGrant)),
    expected: foreign("Unauthenticated", "auth header missing"),
  },
  {
    title: "an authorization header that is not a bearer token",
    run: ({ client }) =>
      failure(
        client({ token: undefined }).deactivateUserGrant(unknownGrant, {
          headers: { authorization: "Basic eDp5" },
        }),
      ),
    expected: own("Unauthenticated", "AUTH-toLo1", "invalid auth header"),
  },
  {
    title: "an unknown token",
    run: ({ client }) => failure(client({ token: "unknown" }).deactivateUserGrant(unknownGrant)),
    expected: tokenInvalid,
  },
  {
    title: "a token without the audience scope",
    run: ({ sandbox, client }) => {
      const { userId } = sandbox.addUser({ roles: ["IAM_OWNER"] });
      const token = sandbox.addToken({ userId, audience: false });
      return failure(client({ token }).bulkRemoveUserGrant({ grantId: ["1"] }));
    },
    expected: tokenInvalid,
  },
  {
    title: "a rejected token is replaced once by the token source",
    run: async ({ sandbox, client }) => {
      const refused: unknown[] = [];
      const grant = sandbox.addGrant();
      await client({
        token: (request) => {
          refused.push(request?.refused);
          return request?.refused === undefined ? "stale" : sandbox.token;
        },
      }).deactivateUserGrant(grant);
      return { refused, state: sandbox.grant(grant.grantId)?.state };
    },
    expected: { refused: [undefined, "stale"], state: "inactive" },
  },
  {
    title: "a caller without any membership",
    run: ({ sandbox, client }) =>
      failure(client({ token: sandbox.addUser().token }).deactivateUserGrant(sandbox.addGrant())),
    expected: own("NotFound", "AUTHZ-cdgFk", "membership not found"),
  },
  {
    title: "a caller whose role may not",
    run: ({ sandbox, client }) => {
      const { token } = sandbox.addUser({ roles: ["ORG_OWNER_VIEWER"] });
      return failure(client({ token }).bulkRemoveUserGrant({ grantId: ["1"] }));
    },
    expected: own("PermissionDenied", "AUTH-5mWD2", "No matching permissions found"),
  },
  {
    title: "a caller whose role is for another project",
    run: ({ sandbox, client }) => {
      const { projectId } = sandbox.addProject();
      const { token } = sandbox.addUser({ roles: [{ role: "PROJECT_OWNER", projectId }] });
      const { grantId } = sandbox.addGrant();
      return failure(client({ token }).bulkRemoveUserGrant({ grantId: [grantId] }));
    },
    expected: own("PermissionDenied", "EVENT-Shu7e", "User has no permissions on this project"),
  },
];

const addresses: Scenario[] = [
  {
    title: "an organization that does not exist",
    run: ({ client }) =>
      failure(client({ orgId: "999999999999999999" }).deactivateUserGrant(unknownGrant)),
    expected: own("PermissionDenied", "AUTH-Bs7Ds", "Organisation doesn't exist"),
  },
  {
    title: "the client's organization, that of a call, and none",
    run: async ({ sandbox, client }) => {
      const { orgId } = sandbox.addOrg();
      const theirs = sandbox.addGrant({ orgId });
      const ours = sandbox.addGrant();
      const headers = (value: string) => ({ headers: { "x-zitadel-orgid": value } });
      const other = client({ orgId });
      await other.deactivateUserGrant(theirs);
      await other.deactivateUserGrant(ours, headers(sandbox.orgId));
      const error = await failure(other.deactivateUserGrant(theirs, headers("")));
      return { error, states: [theirs, ours].map(({ grantId }) => sandbox.grant(grantId)?.state) };
    },
    expected: { error: notFound, states: ["inactive", "inactive"] },
  },
  {
    title: "a host that is not a domain of the instance",
    run: async ({ sandbox, client }) => {
      const { hostname, port } = new URL(sandbox.baseUrl);
      const baseUrl = `http://127.0.0.1:${port}`;
      const error = await failure(client({ baseUrl }).deactivateUserGrant(unknownGrant));
      const text = JSON.stringify(error).replaceAll(port, "port");
      return { ...JSON.parse(text), hostname, message: "…", rawMessage: "…" };
    },
    expected: { ...foreign("NotFound", "…"), hostname: "localhost", id: undefined },
  },
  {
    title: "the header that names the instance where the address does not",
    run: async ({ sandbox, client }) => {
      const baseUrl = `http://127.0.0.1:${new URL(sandbox.baseUrl).port}`;
      const grant = sandbox.addGrant();
      await client({ baseUrl, instanceHost: "localhost" }).deactivateUserGrant(grant);
      return sandbox.grant(grant.grantId)?.state;
    },
    expected: "inactive",
  },
];

/** What becomes of grants, by whom and where they are asked for. */
export const grantScenarios: readonly Scenario[] = [
  ...deactivations,
  ...removals,
  ...callers,
  ...addresses,
];
