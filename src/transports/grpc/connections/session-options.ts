import type { ClientSessionOptions, SecureClientSessionOptions } from "node:http2";
import type { NodeConnectOptions } from "../../../options/node-connect.js";
import { ownOptions } from "./own-options.js";
import { proxyFor } from "./proxy.js";
import { connectTarget, Tunnel, tlsThrough } from "./tunnel.js";

/**
 * The options passed to `http2.connect` for each connection: the caller's own, and the proxy that the
 * environment names.
 *
 * @param onTunnel is called with the tunnel of each connection through a proxy.
 * @throws TypeError when the environment names an invalid proxy.
 */
export function sessionOptions(
  origin: URL,
  options: NodeConnectOptions | undefined,
  onTunnel: (tunnel: Tunnel) => void,
): ClientSessionOptions | SecureClientSessionOptions {
  const nodeOptions = options as ClientSessionOptions | SecureClientSessionOptions | undefined;
  const proxy =
    nodeOptions?.createConnection === undefined ? proxyFor(origin, process.env) : undefined;
  const all = {
    // Megabytes: Node would reject streams once a session holds 10, which a few large messages do.
    maxSessionMemory: 1_000_000,
    // Beyond this Node resets the stream and may abort the program when the session is collected
    // (https://github.com/nodejs/node/issues/35233); its default is 128.
    maxHeaderListPairs: 4_000,
    ...(proxy && {
      createConnection: () => {
        const tunnel = new Tunnel(proxy, connectTarget(origin));
        onTunnel(tunnel);
        return origin.protocol === "https:" ? tlsThrough(tunnel, origin, options, ["h2"]) : tunnel;
      },
    }),
    ...nodeOptions,
    settings: ownOptions({ enablePush: false, ...nodeOptions?.settings }),
  };
  // A path is that of a socket of this machine.
  return ownOptions(all, ["path"]);
}
