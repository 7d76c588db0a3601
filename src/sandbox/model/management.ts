import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import type { HttpRequest } from "../http/http.js";
import { runCall } from "./call.js";
import type { RpcName } from "./faults.js";
import type { Instance } from "./instance.js";
import { checkIdLength } from "./length.js";
import type { Caller } from "./permissions.js";
import type { Permission } from "./roles.js";
import { bulkRemoveUserGrant, deactivateUserGrant } from "./user-grants.js";

/** An RPC of the management service, with its types erased. Every protocol calls it in the same way. */
export interface ManagementMethod {
  readonly desc: DescMethodUnary;
  /**
   * Runs the call, as `runCall` describes.
   *
   * @throws RpcError
   */
  readonly call: (
    instance: Instance,
    request: HttpRequest,
    message: MessageShape<DescMessage>,
    signal: AbortSignal,
  ) => Promise<MessageShape<DescMessage>>;
}

interface Implementation<I extends DescMessage, O extends DescMessage> {
  rpc: RpcName;
  permission: Permission;
  validate: (message: MessageShape<I>) => void;
  latencyMs: (instance: Instance, message: MessageShape<I>) => number;
  run: (instance: Instance, caller: Caller, message: MessageShape<I>) => MessageInitShape<O>;
}

const { deactivateUserGrant: deactivate, bulkRemoveUserGrant: bulkRemove } =
  ManagementService.method;

/** By the path of the RPC: `/zitadel.management.v1.ManagementService/DeactivateUserGrant`. */
export const managementMethods: ReadonlyMap<string, ManagementMethod> = new Map(
  [
    implement(deactivate, {
      rpc: "DeactivateUserGrant",
      permission: "user.grant.write",
      validate: ({ userId, grantId }) => {
        checkIdLength("DeactivateUserGrantRequest.UserId", userId);
        checkIdLength("DeactivateUserGrantRequest.GrantId", grantId);
      },
      latencyMs: (instance) => instance.requestLatencyMs,
      run: (instance, caller, { grantId }) => {
        const grant = deactivateUserGrant(instance, caller, grantId);
        return {
          details: {
            sequence: grant.sequence,
            changeDate: timestampFromMs(grant.changedAtMs),
            resourceOwner: grant.orgId,
          },
        };
      },
    }),
    implement(bulkRemove, {
      rpc: "BulkRemoveUserGrant",
      permission: "user.grant.delete",
      validate: () => undefined,
      latencyMs: (instance, { grantId }) =>
        instance.requestLatencyMs + instance.idLatencyMs * grantId.length,
      run: (instance, caller, { grantId }) => {
        bulkRemoveUserGrant(instance, caller, grantId);
        return {};
      },
    }),
  ].map((method) => [`/${method.desc.parent.typeName}/${method.desc.name}`, method]),
);

function implement<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  { rpc, permission, validate, latencyMs, run }: Implementation<I, O>,
): ManagementMethod {
  return {
    desc,
    call: (instance, request, untyped, signal) => {
      const message = untyped as MessageShape<I>;
      return runCall(instance, request, signal, {
        rpc,
        permission,
        validate: () => validate(message),
        latencyMs: latencyMs(instance, message),
        run: (caller) => create(desc.output, run(instance, caller, message)),
      });
    },
  };
}
