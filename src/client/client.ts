import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallOptions, Client, Transport } from "@connectrpc/connect";
import { Code, ConnectError, makeAnyClient } from "@connectrpc/connect";
import {
  type BulkRemoveUserGrantRequestSchema,
  type BulkRemoveUserGrantResponse,
  type DeactivateUserGrantRequestSchema,
  type DeactivateUserGrantResponse,
  ManagementService,
} from "../../gen/zitadel/management_pb.js";
import { neverSent } from "../errors/certainty.js";
import { type Checks, isObject, kindOf, own } from "../options/checker.js";
import { checkClientOptions } from "../options/checks.js";
import type { CommonOptions } from "../options/options.js";
import type { ClosableTransport, Send, TransportOptions } from "../transports/call/attempt.js";
import { close, registerForClose } from "./close.js";
import { createCredentials } from "./credentials.js";
import { createRetry } from "./retry.js";

/** A Connect `Client` of ZITADEL's `ManagementService` that can also be passed to `close()`. */
export interface ManagementClient extends Client<typeof ManagementService> {
  /**
   * Deactivates one grant: the user loses the roles; the grant stays and can be reactivated.
   *
   * @param request `userId` and `grantId`, each of 1 to 200 characters. ZITADEL requires the user's id and
   * does not compare it with the grant.
   * @param options deadline, signal and headers of this call.
   * @returns the grant's details. `details.sequence` is a bigint: `toJson` makes JSON of a response.
   * @throws ConnectError: `NotFound` COMMAND-3M9sd (`isGrantNotFound`); `FailedPrecondition` COMMAND-1S9gx
   * when it is already inactive (`isGrantInactive`; ZITADEL before v4); `InvalidArgument` for ids that are
   * not strings, before anything is sent; `Unauthenticated`, `PermissionDenied`; others when no response
   * came. `mayHaveBeenApplied(error)`: whether it may have been deactivated all the same.
   */
  deactivateUserGrant(
    request: MessageInitShape<typeof DeactivateUserGrantRequestSchema>,
    options?: CallOptions,
  ): Promise<DeactivateUserGrantResponse>;
  /**
   * Removes grants, all or nothing: every grant is removed, or the call throws. For many grants, with an
   * outcome for each, see `removeUserGrants` of `zitadel-user-grants/bulk`.
   *
   * @param request `grantId`: an array of ids. Duplicates are fine; an empty array is rejected.
   * @param options deadline, signal and headers of this call.
   * @returns an empty message.
   * @throws ConnectError: `NotFound` COMMAND-1My0t when one of them does not exist (`isGrantNotFound`), and
   * nothing is removed; `InvalidArgument` for anything but an array of strings, before anything is sent;
   * `Unauthenticated`, `PermissionDenied`; others when no response came. `mayHaveBeenApplied(error)`: whether
   * they may have been removed all the same.
   */
  bulkRemoveUserGrant(
    request: MessageInitShape<typeof BulkRemoveUserGrantRequestSchema>,
    options?: CallOptions,
  ): Promise<BulkRemoveUserGrantResponse>;
}

/** The protocol-specific parts of a client. */
export interface Protocol<O extends CommonOptions> {
  checks: Checks<O>;
  /** Names of options that only another entry supports, with that entry. */
  misplaced?: Readonly<Record<string, string>>;
  create: (options: TransportOptions<O>) => ClosableTransport;
}

/** Defaults that keep a call from hanging, and a response from filling the memory. */
const defaults = { defaultTimeoutMs: 30_000, readMaxBytes: 16 * 1024 * 1024 };

/** Checks the options and creates a transport that adds token and organization to each call. */
export function buildTransport<O extends CommonOptions>(
  protocol: Protocol<O>,
  options: O,
): Transport {
  const { token, orgId, instanceHost, allowInsecure, retry, debug, ...others } = own({
    ...defaults,
    ...checkClientOptions(options, protocol.checks, protocol.misplaced),
  });
  const rest = own(others);
  const { attempts, stream } = createCredentials({ token, orgId, instanceHost });
  const retried = retry ? createRetry(retry === true ? own({}) : retry) : undefined;
  const { transport, close } = protocol.create({
    __proto__: null,
    ...rest,
    // 0 means no limit.
    defaultTimeoutMs: rest.defaultTimeoutMs || undefined,
    interceptors: rest.interceptors ?? [],
    attempts: (send: Send) => retried?.(attempts(send)) ?? attempts(send),
    stream,
    observer: debug,
  });
  return registerForClose(transport, close);
}

/** A client over such a transport. */
export function buildClient<O extends CommonOptions>(
  protocol: Protocol<O>,
  options: O,
): ManagementClient {
  const transport = buildTransport(protocol, options);
  const client = makeAnyClient(ManagementService, (method) =>
    method.methodKind === "unary"
      ? (message: MessageInitShape<DescMessage>, options?: CallOptions) =>
          callUnaryMethod(transport, method, message, options)
      : null,
  );
  return registerForClose(client as Client<typeof ManagementService>, () => close(transport));
}

/**
 * A unary method as in Connect's `createClient`. All methods of the service are unary, and the streaming part
 * of `createClient` would add a kilobyte to every page.
 */
function callUnaryMethod(
  transport: Transport,
  method: DescMethodUnary,
  message: MessageInitShape<DescMessage>,
  options?: CallOptions,
): Promise<MessageShape<DescMessage>> {
  try {
    checkRequest(method.localName, message);
    const { signal, timeoutMs, headers, contextValues, onHeader, onTrailer } = own<CallOptions>(
      options ?? {},
    );
    return transport
      .unary(method, signal, timeoutMs, headers, message, contextValues)
      .then((response) => {
        onHeader?.(response.header);
        onTrailer?.(response.trailer);
        return response.message;
      });
  } catch (reason) {
    return Promise.reject(neverSent(reason));
  }
}

/**
 * Rejects values that plain JavaScript could pass and that would be sent as something else: a string instead
 * of a list of ids is a list of characters, and a number is not an id.
 *
 * @throws ConnectError InvalidArgument naming the field, what is allowed and what was given.
 */
function checkRequest(method: string, message: unknown): void {
  if (!isObject(message)) {
    reject("the request", "an object", message);
  }
  const { userId, grantId } = message as Readonly<Record<string, unknown>>;
  if (method !== "bulkRemoveUserGrant") {
    checkId("userId", userId);
    checkId("grantId", grantId);
  } else if (Array.isArray(grantId)) {
    const at = grantId.findIndex((id) => typeof id !== "string");
    if (at >= 0) {
      reject(`grantId[${at}]`, "a string", grantId[at]);
    }
  } else if (grantId !== undefined) {
    reject("grantId", "an array of strings", grantId);
  }
}

function checkId(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string") {
    reject(name, "a string", value);
  }
}

function reject(name: string, allowed: string, value: unknown): never {
  throw new ConnectError(`${name} must be ${allowed}, got ${kindOf(value)}`, Code.InvalidArgument);
}
