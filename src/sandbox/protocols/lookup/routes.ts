import { Code } from "@connectrpc/connect";
import { matchTemplate, parseTemplate } from "../../../transports/json/http-rule/template.js";
import type { HttpRequest, Route } from "../../http/http.js";
import { decodePath } from "../../http/path.js";
import { runCall } from "../../model/call.js";
import { CommandError } from "../../model/errors.js";
import type { RpcName } from "../../model/faults.js";
import type { Instance } from "../../model/instance.js";
import { checkIdLength, checkTextLength } from "../../model/length.js";
import type { Caller } from "../../model/permissions.js";
import type { Permission } from "../../model/roles.js";
import type { Query } from "../../model/search/queries.js";
import { checkUserGrantQueries, searchUserGrants } from "../../model/search/user-grants.js";
import { checkUserQueries, searchUsers } from "../../model/search/users.js";
import { addUserGrant, reactivateUserGrant } from "../../model/user-grants.js";
import type { Json } from "../gateway.js";
import { serveGatewayCall } from "../gateway-call.js";
import type { JsonNode } from "../go-json.js";
import { readAddUserGrant, readListUserGrants, readListUsers, readNothing } from "./requests.js";
import { listDetailsView, orgView, protoDate, userGrantView, userView } from "./views.js";

/** A route of the gateway, for an RPC for which this package has no generated code. */
interface Lookup<T> {
  readonly rpc: RpcName;
  readonly verb: "GET" | "POST";
  /** The path after `/management/v1`, with ids as wildcards. */
  readonly path: string;
  readonly permission: Permission;
  readonly read: (body: JsonNode | undefined, instance: Instance) => T;
  readonly validate: (message: T, ids: readonly string[]) => void;
  readonly run: (instance: Instance, caller: Caller, message: T, ids: readonly string[]) => Json;
}

const prefix = "/management/v1/";

const routes: readonly ((instance: Instance) => Route)[] = [
  route({
    rpc: "ListUserGrants",
    verb: "POST",
    path: "/users/grants/_search",
    permission: "user.grant.read",
    read: (body, { generation }) => readListUserGrants(body, generation),
    validate: ({ queries }) => checkUserGrantQueries(queries),
    run: (instance, caller, { page, queries }) => {
      const { items, total } = searchUserGrants(instance, caller, page, present(queries));
      return {
        details: listDetailsView(total, instance.state.grants.projection.updatedAtMs),
        ...(total > 0 ? { result: items.map((grant) => userGrantView(instance, grant)) } : {}),
      };
    },
  }),
  route({
    rpc: "ListUsers",
    verb: "POST",
    path: "/users/_search",
    permission: "user.read",
    read: readListUsers,
    validate: ({ queries }) => checkUserQueries(queries),
    run: (instance, caller, { page, queries, sortedBy }) => {
      const found = searchUsers(instance, caller, page, present(queries), sortedBy);
      return {
        details: listDetailsView(found.total, instance.now()),
        ...(found.total > 0 ? { result: found.items.map(userView) } : {}),
      };
    },
  }),
  route({
    rpc: "GetUserGrantByID",
    verb: "GET",
    path: "/users/*/grants/*",
    permission: "user.grant.read",
    read: () => undefined,
    validate: (_, ids) => checkIds("GetUserGrantByIDRequest", ids),
    run: (instance, { orgId }, _, [, grantId = ""]) => {
      const { projection } = instance.state.grants;
      // Unlike a search, this waits until the projection has caught up.
      projection.catchUp(true);
      const grant = projection.get(orgId, grantId);
      if (grant === undefined) {
        throw new CommandError(Code.NotFound, "Errors.UserGrant.NotFound", "QUERY-wIPkA");
      }
      return { userGrant: userGrantView(instance, grant) };
    },
  }),
  route({
    rpc: "GetMyOrg",
    verb: "GET",
    path: "/orgs/me",
    permission: "org.read",
    read: () => undefined,
    validate: () => undefined,
    run: (instance, { orgId }) => ({ org: orgView(instance, orgId) }),
  }),
  route({
    rpc: "ReactivateUserGrant",
    verb: "POST",
    path: "/users/*/grants/*/_reactivate",
    permission: "user.grant.write",
    read: readNothing,
    validate: (_, ids) => checkIds("ReactivateUserGrantRequest", ids),
    run: (instance, caller, _, [, grantId = ""]) => {
      const grant = reactivateUserGrant(instance, caller, grantId);
      return {
        details: {
          sequence: String(grant.sequence),
          changeDate: protoDate(grant.changedAtMs),
          resourceOwner: grant.orgId,
        },
      };
    },
  }),
  route({
    rpc: "AddUserGrant",
    verb: "POST",
    path: "/users/*/grants",
    permission: "user.grant.write",
    read: readAddUserGrant,
    validate: ({ projectId, projectGrantId }, [userId = ""]) => {
      checkIdLength("AddUserGrantRequest.UserId", userId);
      checkIdLength("AddUserGrantRequest.ProjectId", projectId);
      checkTextLength("AddUserGrantRequest.ProjectGrantId", projectGrantId);
    },
    run: (instance, caller, { projectId, projectGrantId, roleKeys }, [userId = ""]) => {
      const grant = addUserGrant(instance, caller, {
        userId,
        projectId,
        projectGrantId: projectGrantId || undefined,
        roleKeys,
      });
      return {
        userGrantId: grant.grantId,
        details: {
          sequence: String(grant.sequence),
          creationDate: protoDate(grant.createdAtMs),
          resourceOwner: grant.orgId,
        },
      };
    },
  }),
];

/** The routes around the two RPCs, only as JSON: finding, reading, adding and reactivating grants. */
export function lookupRoute(instance: Instance): Route {
  const all = routes.map((create) => create(instance));
  return (request) => {
    if (!request.path.startsWith(prefix)) {
      return undefined;
    }
    for (const one of all) {
      const response = one(request);
      if (response !== undefined) {
        return response;
      }
    }
    return undefined;
  };
}

function route<T>({ rpc, verb, path, permission, read, validate, run }: Lookup<T>) {
  const template = parseTemplate(path);
  const wildcards = template.segments.flatMap((segment, index) => (segment === "*" ? [index] : []));
  return (instance: Instance): Route =>
    (request) => {
      const segments = request.method === verb ? segmentsOf(request) : undefined;
      if (segments === undefined || !matchTemplate(template, segments)) {
        return undefined;
      }
      const ids = wildcards.map((index) => segments[index] ?? "");
      return serveGatewayCall(instance, request, {
        rpc,
        read: (body) => read(body, instance),
        call: (message, signal) =>
          runCall(instance, request, signal, {
            rpc,
            permission,
            validate: () => validate(message, ids),
            latencyMs: instance.requestLatencyMs,
            run: (caller) => run(instance, caller, message, ids),
          }),
      });
    };
}

/** The path is decoded once and then split, as the gateway does. */
function segmentsOf({ path }: HttpRequest): string[] | undefined {
  return decodePath(path.slice(prefix.length))?.split("/");
}

function checkIds(message: string, [userId = "", grantId = ""]: readonly string[]): void {
  checkIdLength(`${message}.UserId`, userId);
  checkIdLength(`${message}.GrantId`, grantId);
}

function present(queries: readonly (Query | undefined)[]): Query[] {
  return queries.filter((query) => query !== undefined);
}
