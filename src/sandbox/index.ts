/**
 * A fake ZITADEL for tests: on a local port, or in memory. For Node, Bun and Deno.
 *
 * @module zitadel-user-grants/sandbox
 */
import type { Transport } from "@connectrpc/connect";
import { close } from "../client/close.js";
import type { SandboxControl } from "./control.js";
import { createControl } from "./create-control.js";
import { createDispatch } from "./dispatch.js";
import { createRateLimit } from "./http/http.js";
import { listen } from "./http/server.js";
import { createMemoryTransport } from "./memory-transport.js";
import { createInstance } from "./model/instance.js";
import { checkSandboxOptions, type SandboxOptions, type SandboxServerOptions } from "./options.js";
import { plantSeed } from "./seed.js";

export type { ServiceUserKey } from "../auth/key.js";
export type {
  GrantInfo,
  GrantInit,
  OAuthControl,
  OrgInit,
  ProjectInit,
  RoleAssignment,
  SandboxControl,
  UserInit,
} from "./control.js";
export type { Generation, Role } from "./model/entities.js";
export type { FaultInit, RpcName } from "./model/faults.js";

export type { SandboxOptions, SandboxRequest, SandboxServerOptions } from "./options.js";
export type { SandboxSeed } from "./seed.js";

/** A sandbox on a local port. */
export interface SandboxServer extends SandboxControl {
  /** Its base URL: `http://localhost:…`. It serves no other host name unless `hosts` does. */
  readonly baseUrl: string;
  /** Closes all connections at once. Afterwards it does not keep the process alive. */
  close(): Promise<void>;
}

/** A sandbox in memory. */
export interface Sandbox extends SandboxControl {
  /**
   * Uses gRPC-web with the sandbox, and adds the sandbox's token and organization to calls that have none of
   * their own.
   */
  readonly transport: Transport;
  /** Cancels all calls at once, with `Canceled`; later calls fail likewise. */
  close(): void;
}

/**
 * Starts a sandbox on a local port, for tests and experiments: native gRPC over cleartext HTTP/2, gRPC-web
 * and JSON over HTTP/1.1 and HTTP/2, and CORS, on one port of the loopback addresses. It checks tokens,
 * organizations and permissions as ZITADEL does, and keeps everything in memory.
 *
 * @param options everything has a default.
 * @returns its base URL, its token and organization, and functions that read and change its state.
 * @throws TypeError for an option that is unknown or not allowed, and for a mistake in the seed. Rejects with
 * the system's error when the port is in use (`EADDRINUSE`) or the seed file does not exist (`ENOENT`).
 * @example
 * ```ts
 * import { createManagementClient } from "zitadel-user-grants";
 * import { startSandbox } from "zitadel-user-grants/sandbox";
 *
 * const sandbox = await startSandbox();
 * const client = createManagementClient({ baseUrl: sandbox.baseUrl, token: sandbox.token });
 * const grant = sandbox.addGrant();
 * await client.deactivateUserGrant(grant);
 * console.log(sandbox.grant(grant.grantId)?.state); // inactive
 * await sandbox.close();
 * ```
 */
export async function startSandbox(options: SandboxServerOptions = {}): Promise<SandboxServer> {
  const checked = checkSandboxOptions("startSandbox", options);
  const { port = 0, hosts } = checked;
  const isLoopback = /^(localhost|127\..*|::1)$/.test(checked.host ?? "localhost");
  const host = isLoopback ? undefined : checked.host;
  // Addresses of all interfaces, and those of IPv6, name no instance.
  const isName = host !== undefined && host !== "0.0.0.0" && !host.includes(":");
  const { instance, control, dispatch } = create({
    ...checked,
    hosts: hosts ?? (isName ? [host] : undefined),
  });
  const server = await listen({ host, port, dispatch, now: instance.now });
  return {
    ...control,
    baseUrl: `http://${instance.hosts[0]}:${server.port}`,
    close: server.close,
  };
}

/**
 * Creates the same sandbox in memory, without sockets.
 *
 * @param options everything has a default; there is no port.
 * @returns a Connect `Transport` to it, its token and organization, and functions that read and change its
 * state.
 * @throws TypeError for an option that is unknown or not allowed, and for a mistake in the seed; the system's
 * error (`ENOENT`) when the seed file does not exist.
 * @example
 * ```ts
 * import { createClient } from "@connectrpc/connect";
 * import { ManagementService } from "zitadel-user-grants";
 * import { createSandbox } from "zitadel-user-grants/sandbox";
 *
 * const sandbox = createSandbox();
 * const client = createClient(ManagementService, sandbox.transport);
 * const { grantId } = sandbox.addGrant();
 * await client.bulkRemoveUserGrant({ grantId: [grantId] });
 * console.log(sandbox.grant(grantId)); // undefined
 * ```
 */
export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const { instance, control, dispatch } = create(checkSandboxOptions("createSandbox", options));
  const transport = createMemoryTransport(instance.hosts[0] ?? "", control, dispatch);
  return { ...control, transport, close: () => close(transport) };
}

function create(options: SandboxOptions) {
  const { token, orgId, seed, requestsPerSecond, onRequest } = options;
  const instance = createInstance(options);
  const { control, add } = createControl(instance, token, orgId);
  if (seed !== undefined) {
    plantSeed(add, seed);
  }
  const allows =
    requestsPerSecond === undefined ? () => true : createRateLimit(requestsPerSecond, instance.now);
  return { instance, control, dispatch: createDispatch(instance, allows, onRequest) };
}
