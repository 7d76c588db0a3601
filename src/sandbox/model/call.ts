import { platform, sleep } from "../../common/environment.js";
import type { HttpRequest } from "../http/http.js";
import { CommandError, RpcError } from "./errors.js";
import { ResponseLost, type RpcName } from "./faults.js";
import type { Instance } from "./instance.js";
import { checkInstance } from "./instance-host.js";
import { languagesOf, translate } from "./messages.js";
import { authorize, type Caller } from "./permissions.js";
import type { Permission } from "./roles.js";

/** What a call of the management service requires and does. */
export interface Call<T> {
  readonly rpc: RpcName;
  readonly permission: Permission;
  /** Rejects a message that violates the rules of its definition, with an RpcError. */
  readonly validate: () => void;
  readonly latencyMs: number;
  readonly run: (caller: Caller) => T;
}

/**
 * Runs a call as ZITADEL's interceptors do, unless a fault is injected: the instance by host name, the
 * caller's token, organization and permission, the message's own rules, and only then the command, whose
 * errors are the only translated ones.
 *
 * @throws RpcError or ResponseLost
 */
export async function runCall<T>(
  instance: Instance,
  request: HttpRequest,
  signal: AbortSignal,
  call: Call<T>,
): Promise<T> {
  const fault = instance.faults.take(call.rpc);
  if (fault === undefined) {
    return perform(instance, request, signal, call);
  }
  const { code, id, message, delayMs, lost } = fault;
  if (delayMs > 0) {
    await sleep(platform, delayMs, signal);
    signal.throwIfAborted();
  }
  if (code !== undefined) {
    throw new RpcError(code, message, id);
  }
  const performed = perform(instance, request, signal, call);
  if (lost) {
    await performed.catch(() => undefined);
    throw new ResponseLost();
  }
  return performed;
}

async function perform<T>(
  instance: Instance,
  request: HttpRequest,
  signal: AbortSignal,
  { permission, validate, latencyMs, run }: Call<T>,
): Promise<T> {
  checkInstance(instance, request);
  const caller = authorize(instance, request, permission);
  validate();
  signal.throwIfAborted();
  // Even a timer of 0 ms takes a millisecond.
  if (latencyMs > 0) {
    await sleep(platform, latencyMs, signal);
    signal.throwIfAborted();
  }
  try {
    return run(caller);
  } catch (error) {
    if (error instanceof CommandError) {
      throw error.translated(
        translate(error.key, languagesOf(caller.user.preferredLanguage, request)),
      );
    }
    throw error;
  }
}
