import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { wait } from "../../common/wait.js";
import type { HttpRequest } from "../http/http.js";
import { RpcError } from "./errors.js";
import type { Instance } from "./instance.js";
import { checkInstance } from "./instance-host.js";
import { languagesOf, translate } from "./messages.js";
import { authorize, type Caller } from "./permissions.js";
import type { Permission } from "./roles.js";
import { bulkRemoveUserGrant, CommandError, deactivateUserGrant } from "./user-grants.js";

/** An RPC of the management service, with its types erased. Every protocol calls it in the same way. */
export interface ManagementMethod {
  readonly desc: DescMethodUnary;
  /**
   * Runs the call as ZITADEL's interceptors do: the instance by host name, the caller's token,
   * organization and permission, the message's own rules, and only then the command, whose errors are
   * the only translated ones.
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
  { permission, validate, latencyMs, run }: Implementation<I, O>,
): ManagementMethod {
  return {
    desc,
    call: async (instance, request, untyped, signal) => {
      const message = untyped as MessageShape<I>;
      checkInstance(instance, request);
      const caller = authorize(instance, request, permission);
      validate(message);
      signal.throwIfAborted();
      const delayMs = latencyMs(instance, message);
      // A timer costs a millisecond even for none.
      if (delayMs > 0) {
        await wait(delayMs, signal);
      }
      try {
        return create(desc.output, run(instance, caller, message));
      } catch (error) {
        if (error instanceof CommandError) {
          throw error.translated(
            translate(error.key, languagesOf(caller.user.preferredLanguage, request)),
          );
        }
        throw error;
      }
    },
  };
}

/** The rule `string.min_len: 1, max_len: 200`, in the words of protoc-gen-validate: runes are code points. */
function checkIdLength(field: string, id: string): void {
  const runes = [...id].length;
  if (runes < 1 || runes > 200) {
    throw new RpcError(
      Code.InvalidArgument,
      `invalid ${field}: value length must be between 1 and 200 runes, inclusive`,
    );
  }
}
