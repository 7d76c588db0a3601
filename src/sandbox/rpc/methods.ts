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
import { CommandError, languagesOf, RpcError } from "../model/errors.js";
import { ResponseLost, type RpcName } from "../model/faults.js";
import type { Instance } from "../model/instance.js";
import {
  authenticated,
  authorize,
  type Caller,
  checkInstance,
  permissionsOfCaller,
} from "../model/permissions.js";
import { checkListAuthorizations, listAuthorizations } from "./authorizations.js";
import {
  authorizationMessage,
  changeDetails,
  listDetails,
  orgMessage,
  userGrantMessage,
  userMessage,
} from "./messages.js";
import { checkIds, checkSearch, searchUserGrants, searchUsers } from "./search.js";

/** A call, as it comes over any of the protocols. */
export interface CallContext {
  readonly request: HttpRequest;
  readonly signal: AbortSignal;
  /** What the response message may hold: see `maxResponseBytes`. */
  readonly maxResponseBytes: number;
}

/** An RPC, with its types erased. Every protocol calls it in the same way. */
export interface RpcMethod {
  readonly desc: DescMethodUnary;
  /** @throws RpcError, or ResponseLost for an injected fault. */
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
  /** Changes something: looks up what it needs, and returns what is to be done with it. */
  readonly command?: (
    instance: Instance,
    caller: Caller,
    message: MessageShape<I>,
  ) => Command<MessageInitShape<O>>;
  /** Reads, as everything is when the response is written. */
  readonly read?: (
    instance: Instance,
    caller: Caller,
    message: MessageShape<I>,
    context: CallContext,
  ) => MessageInitShape<O>;
}

const lookup = LookupService.method;

const allMethods: readonly RpcMethod[] = [
  implement(ManagementService.method.deactivateUserGrant, changing("inactive")),
  implement(lookup.reactivateUserGrant, changing("active")),
  implement(ManagementService.method.bulkRemoveUserGrant, {
    permission: "user.grant.delete",
    ids: ({ grantId }) => grantId.length,
    command: (instance, caller, { grantId }) => {
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
    command: (instance, caller, { userId, projectId, projectGrantId, roleKeys }) => {
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
    read: (instance, caller, message, { maxResponseBytes }) => {
      const { items, total } = searchUserGrants(instance, caller, message);
      // The shortest grants take this much: a list that is far too long is not built.
      checkResponse(items.length * 100, maxResponseBytes, instance);
      return {
        details: listDetails(total, instance.state.grants.projection.updatedAtMs),
        result: items.map((grant) => userGrantMessage(instance, grant)),
      };
    },
  }),
  implement(lookup.getUserGrantByID, {
    permission: "user.grant.read",
    validate: ({ userId, grantId }) => checkIds({ userId, grantId }),
    read: (instance, { orgId }, { grantId }) => {
      const { projection } = instance.state.grants;
      // Unlike a search, this waits until the projection has caught up.
      projection.catchUp(true);
      const grant = projection.get(orgId, grantId);
      if (grant === undefined) {
        throw new CommandError(Code.NotFound, "UserGrant.NotFound", "QUERY-wIPkA");
      }
      return { userGrant: userGrantMessage(instance, grant) };
    },
  }),
  implement(lookup.listUsers, {
    permission: "user.read",
    validate: (message) => checkSearch(lookup.listUsers.input, message),
    read: (instance, caller, message) => {
      const { items, total } = searchUsers(instance, caller, message);
      return { details: listDetails(total, instance.now()), result: items.map(userMessage) };
    },
  }),
  implement(lookup.getMyOrg, {
    permission: "org.read",
    read: (instance, { orgId }) => ({ org: orgMessage(instance, orgId) }),
  }),
  implement(AuthService.method.getMyUser, {
    read: (_, { user }) => ({ user: userMessage(user) }),
  }),
  implement(AuthService.method.listMyZitadelPermissions, {
    read: (_, caller) => ({ result: permissionsOfCaller(caller) }),
  }),
  implement(AuthorizationService.method.listAuthorizations, {
    validate: checkListAuthorizations,
    read: (instance, caller, message) => {
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
  return {
    permission: "user.grant.write" as const,
    validate: ({ userId, grantId }: DeactivateUserGrantRequest | ReactivateUserGrantRequest) =>
      checkIds({ userId, grantId }),
    command: (
      instance: Instance,
      caller: Caller,
      { grantId }: DeactivateUserGrantRequest | ReactivateUserGrantRequest,
    ) => {
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
 * The bytes that the message of a response may have: v4 sends no more over any protocol, and the JSON gateway
 * of v2.70 receives no more.
 */
export function maxResponseBytes({ generation }: Instance, protocol: "gateway" | "other"): number {
  if (generation === "v4") {
    return 10 * 1024 * 1024;
  }
  return protocol === "gateway" ? 4 * 1024 * 1024 : Number.POSITIVE_INFINITY;
}

/** @throws RpcError `ResourceExhausted` for a response that is too large. */
export function checkResponse(bytes: number, maxBytes: number, { generation }: Instance): void {
  if (bytes > maxBytes) {
    const what = generation === "v4" ? "trying to send" : "received";
    throw new RpcError(
      Code.ResourceExhausted,
      `grpc: ${what} message larger than max (${bytes} vs. ${maxBytes})`,
    );
  }
}

function implement<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  implementation: Implementation<I, O>,
): RpcMethod {
  return {
    desc,
    call: async (instance, context, message) =>
      create(desc.output, await run(instance, context, desc, implementation, message as never)),
  };
}

/**
 * Runs a call as ZITADEL's interceptors do, unless a fault is injected: the instance by host name, the
 * caller's token, organization and permission, the message's own rules, and only then the command, whose
 * errors are the only translated ones.
 */
async function run<I extends DescMessage, O extends DescMessage>(
  instance: Instance,
  context: CallContext,
  { name }: DescMethodUnary,
  implementation: Implementation<I, O>,
  message: MessageShape<I>,
): Promise<MessageInitShape<O>> {
  const { request, signal } = context;
  const fault = instance.faults.take(name as RpcName);
  if (fault?.delayMs) {
    await sleep(platform, fault.delayMs, signal);
    signal.throwIfAborted();
  }
  if (fault?.code !== undefined) {
    throw new RpcError(fault.code, fault.message ?? "a fault of failNext", fault.id);
  }
  const perform = async () => {
    checkInstance(instance, request);
    const { permission, validate } = implementation;
    const caller =
      permission === undefined
        ? authenticated(instance, request)
        : authorize(instance, request, permission);
    validate?.(message);
    signal.throwIfAborted();
    try {
      return await carryOut(
        instance,
        context,
        implementation,
        message,
        caller,
        fault?.applyAfterMs,
      );
    } catch (error) {
      if (error instanceof CommandError) {
        throw error.translated(languagesOf(caller.user.preferredLanguage, request));
      }
      throw error;
    }
  };
  if (fault?.lost) {
    await perform().catch(() => undefined);
    throw new ResponseLost();
  }
  return perform();
}

async function carryOut<I extends DescMessage, O extends DescMessage>(
  instance: Instance,
  context: CallContext,
  { command, read, ids }: Implementation<I, O>,
  message: MessageShape<I>,
  caller: Caller,
  applyAfterMs: number | undefined,
): Promise<MessageInitShape<O>> {
  const { requestLatencyMs, idLatencyMs, state } = instance;
  const { signal } = context;
  const latencyMs = requestLatencyMs + idLatencyMs * (ids?.(message) ?? 0);
  // Even a timer of 0 ms takes a millisecond.
  const pause = async (ms: number) => {
    if (ms > 0) {
      await sleep(platform, ms, signal);
      signal.throwIfAborted();
    }
  };
  if (command === undefined) {
    await pause(latencyMs);
    return read?.(instance, caller, message, context) ?? ({} as MessageInitShape<O>);
  }
  const lookUp = async () => {
    try {
      return command(instance, caller, message);
    } catch (error) {
      await pause(latencyMs);
      throw error;
    }
  };
  const running = state.grants.begin();
  try {
    const push = await lookUp();
    if (applyAfterMs !== undefined) {
      state.grants.pushLater(applyAfterMs, push);
      return {} as MessageInitShape<O>;
    }
    // A removal takes a moment between looking up and writing: long enough for another one.
    await pause(Math.max(latencyMs, ids === undefined && !state.grants.skipsOverlaps ? 0 : 1));
    return push(running.overlaps);
  } finally {
    running.end();
  }
}
