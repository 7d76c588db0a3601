import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { AuthService } from "../../../gen/tool/auth_pb.js";
import { AuthorizationService } from "../../../gen/tool/authorization_pb.js";
import type { ReactivateUserGrantRequest } from "../../../gen/tool/management_pb.js";
import { ManagementService as LookupService } from "../../../gen/tool/management_pb.js";
import type { DeactivateUserGrantRequest } from "../../../gen/zitadel/management_pb.js";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { platform, sleep } from "../../common/time.js";
import type { HttpRequest } from "../http/http.js";
import { addUserGrant, bulkRemoveUserGrant, type Command, changeState } from "../model/commands.js";
import type { Permission } from "../model/entities.js";
import { RpcError, translated } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import {
  authorize,
  type Caller,
  checkInstance,
  permissionsOfCaller,
} from "../model/permissions.js";
import {
  authorizationMessage,
  changeDetails,
  listDetails,
  orgMessage,
  userGrantMessage,
  userMessage,
} from "./messages.js";
import { checkIds, checkSearch } from "./queries.js";
import { listAuthorizations, searchUserGrants, searchUsers } from "./search.js";

/** A call, as it comes over any of the protocols. */
export interface CallContext {
  readonly request: HttpRequest;
  readonly signal: AbortSignal;
  /** How much later a change is carried out: the response is lost anyway. */
  readonly applyAfterMs: number | undefined;
}

/** An RPC, with its types erased. Every protocol calls it in the same way. */
export interface RpcMethod {
  readonly desc: DescMethodUnary;
  /** @throws RpcError */
  readonly call: (
    instance: Instance,
    context: CallContext,
    message: MessageShape<DescMessage>,
  ) => Promise<MessageShape<DescMessage>>;
}

interface Implementation<I extends DescMessage, O extends DescMessage> {
  /** What the caller needs; undefined if every caller may call it. */
  readonly permission?: Permission;
  /** Rejects a message that violates the rules of its definition, with an RpcError. */
  readonly validate?: (message: MessageShape<I>) => void;
  /** The ids that the latency of a bulk removal depends on. */
  readonly ids?: (message: MessageShape<I>) => number;
  /** Reads, or looks up what a change needs and returns the command that is to be carried out with it. */
  readonly run: (
    instance: Instance,
    caller: Caller,
    message: MessageShape<I>,
  ) => MessageInitShape<O> | Command<MessageInitShape<O>>;
}

const lookup = LookupService.method;

const allMethods: readonly RpcMethod[] = [
  implement(ManagementService.method.deactivateUserGrant, changing("inactive")),
  implement(lookup.reactivateUserGrant, changing("active")),
  implement(ManagementService.method.bulkRemoveUserGrant, {
    permission: "user.grant.delete",
    ids: ({ grantId }) => grantId.length,
    run: (instance, caller, { grantId }) => {
      const push = bulkRemoveUserGrant(instance, caller, grantId);
      return (overlaps) => {
        push(overlaps);
        return {};
      };
    },
  }),
  implement(lookup.addUserGrant, {
    permission: "user.grant.write",
    validate: ({ userId, projectId, projectGrantId }) =>
      checkIds({ userId, projectId, ...(projectGrantId === "" ? {} : { projectGrantId }) }),
    run: (instance, caller, { userId, projectId, projectGrantId, roleKeys }) => {
      const init = { userId, projectId, projectGrantId: projectGrantId || undefined, roleKeys };
      const push = addUserGrant(instance, caller, init);
      return (overlaps) => {
        const { grantId, sequence, createdAtMs, orgId } = push(overlaps);
        const creationDate = timestampFromMs(createdAtMs);
        return { userGrantId: grantId, details: { sequence, creationDate, resourceOwner: orgId } };
      };
    },
  }),
  implement(lookup.listUserGrants, {
    permission: "user.grant.read",
    validate: (message) => checkSearch(lookup.listUserGrants.input, message),
    run: (instance, caller, message) => {
      const { items, total } = searchUserGrants(instance, caller, message);
      return {
        details: listDetails(total, instance.grants.projection.updatedAtMs),
        result: items.map((grant) => userGrantMessage(instance, grant)),
      };
    },
  }),
  implement(lookup.getUserGrantByID, {
    permission: "user.grant.read",
    validate: ({ userId, grantId }) => checkIds({ userId, grantId }),
    run: (instance, { orgId }, { grantId }) => {
      const grant = instance.grants.projection.get(grantId);
      if (grant?.orgId !== orgId) {
        throw new RpcError(Code.NotFound, "User grant not found", "QUERY-wIPkA");
      }
      return { userGrant: userGrantMessage(instance, grant) };
    },
  }),
  implement(lookup.listUsers, {
    permission: "user.read",
    validate: (message) => checkSearch(lookup.listUsers.input, message),
    run: (instance, caller, message) => {
      const { items, total } = searchUsers(instance, caller, message);
      return { details: listDetails(total, instance.now()), result: items.map(userMessage) };
    },
  }),
  implement(lookup.getMyOrg, {
    permission: "org.read",
    run: (instance, { orgId }) => ({ org: orgMessage(instance, orgId) }),
  }),
  implement(AuthService.method.getMyUser, {
    run: (_, { user }) => ({ user: userMessage(user) }),
  }),
  implement(AuthService.method.listMyZitadelPermissions, {
    run: (_, caller) => ({ result: permissionsOfCaller(caller) }),
  }),
  implement(AuthorizationService.method.listAuthorizations, {
    validate: (message) =>
      checkSearch(AuthorizationService.method.listAuthorizations.input, message),
    run: (instance, caller, message) => {
      const { items, total, appliedLimit } = listAuthorizations(instance, caller, message);
      return {
        pagination: { totalResult: BigInt(total), appliedLimit: BigInt(appliedLimit) },
        authorizations: items.map((grant) => authorizationMessage(instance, grant)),
      };
    },
  }),
];

/** Deactivating and reactivating differ in nothing else. */
function changing(state: "active" | "inactive") {
  type Request = DeactivateUserGrantRequest | ReactivateUserGrantRequest;
  return {
    permission: "user.grant.write" as const,
    validate: ({ userId, grantId }: Request) => checkIds({ userId, grantId }),
    run: (instance: Instance, caller: Caller, { grantId }: Request) => {
      const push = changeState(instance, caller, grantId, state);
      return (overlaps: boolean) => ({ details: changeDetails(push(overlaps)) });
    },
  };
}

const methodsByPath = new Map(
  allMethods.map((method) => [`/${method.desc.parent.typeName}/${method.desc.name}`, method]),
);

/** The RPC with this path, `/zitadel.management.v1.ManagementService/ListUserGrants`, if it is served. */
export function findMethod({ generation }: Instance, path: string): RpcMethod | undefined {
  const method = methodsByPath.get(path);
  return method?.desc.parent === AuthorizationService && generation !== "v4" ? undefined : method;
}

/** The RPCs that have routes of the JSON gateway. */
export const gatewayMethods = allMethods.filter(
  ({ desc }) => desc.parent.typeName !== AuthorizationService.typeName,
);

/**
 * A call runs as ZITADEL's interceptors do it: the instance by host name, the caller's token, organization and
 * permission, the message's own rules, and only then the command, whose errors are the only translated ones.
 */
function implement<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  implementation: Implementation<I, O>,
): RpcMethod {
  const { permission, validate } = implementation;
  return {
    desc,
    call: async (instance, context, sent) => {
      const { request, signal } = context;
      const message = sent as MessageShape<I>;
      checkInstance(instance, request);
      const caller = authorize(instance, request, permission);
      validate?.(message);
      signal.throwIfAborted();
      try {
        const result = await carryOut(instance, context, implementation, message, caller);
        return create(desc.output, result);
      } catch (error) {
        throw error instanceof RpcError
          ? translated(error, caller.user.preferredLanguage, request)
          : error;
      }
    },
  };
}

async function carryOut<I extends DescMessage, O extends DescMessage>(
  instance: Instance,
  { signal, applyAfterMs }: CallContext,
  { run, ids }: Implementation<I, O>,
  message: MessageShape<I>,
  caller: Caller,
): Promise<MessageInitShape<O>> {
  const { requestLatencyMs, idLatencyMs, grants } = instance;
  const latencyMs = requestLatencyMs + idLatencyMs * (ids?.(message) ?? 0);
  let result: MessageInitShape<O> | Command<MessageInitShape<O>>;
  try {
    result = run(instance, caller, message);
  } catch (error) {
    await pause(latencyMs, signal);
    throw error;
  }
  if (typeof result !== "function") {
    await pause(latencyMs, signal);
    return result;
  }
  if (applyAfterMs !== undefined) {
    grants.pushLater(applyAfterMs, result);
    return {} as MessageInitShape<O>;
  }
  const running = grants.begin();
  try {
    await pause(latencyMs, signal);
    if (ids !== undefined || grants.skipsOverlaps) {
      // A removal takes a moment between looking up and writing: long enough for another one.
      await new Promise((resolve) => realTimeout(resolve, 1));
      signal.throwIfAborted();
    }
    return result(running.overlaps());
  } finally {
    running.end();
  }
}

/** Not one of the fake timers that a test may put in its place: nobody would advance them for this. */
const { setTimeout: realTimeout } = globalThis;

/** Even a timer of 0 ms takes a millisecond. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) {
    await sleep(platform, ms, signal);
    signal.throwIfAborted();
  }
}
