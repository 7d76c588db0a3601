import type { ClientHttp2Stream } from "node:http2";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import type { Connection } from "./connection.js";
import type { ConnectionPool } from "./pool.js";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Lets connect-node open its streams on our connections. */
export function sessionManager(origin: string, pool: ConnectionPool): SessionManager {
  const connections = new WeakMap<ClientHttp2Stream, Connection>();
  const { host } = new URL(origin);
  return {
    authority: origin,
    request(method, path, headers) {
      return new Promise((resolve, reject) => {
        pool.run({
          start(connection) {
            try {
              const stream = connection.request({
                ...headers,
                ":method": method,
                ":authority": host,
                ":path": path,
              });
              connections.set(stream, connection);
              stream.once("close", () => connection.release());
              resolve(stream);
            } catch (reason) {
              reject(reason);
            }
          },
          fail: reject,
        });
      });
    },
    notifyResponseByteRead(stream) {
      connections.get(stream)?.onRead();
    },
  };
}
