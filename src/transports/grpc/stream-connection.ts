import type { ClientHttp2Stream } from "node:http2";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import type { Connection } from "./connection.js";
import type { ConnectionPool } from "./pool.js";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Makes connect-node open its streams on the connections of a pool. */
export class StreamConnection {
  readonly manager: SessionManager;
  readonly #pool: ConnectionPool;

  constructor(baseUrl: string, pool: ConnectionPool, authority: string) {
    const connections = new WeakMap<ClientHttp2Stream, Connection>();
    this.#pool = pool;
    this.manager = {
      authority: new URL(baseUrl).origin,
      request: async (method, path, headers) => {
        const open = (connection: Connection) => {
          const stream = connection.request({
            ...headers,
            ":method": method,
            ":path": path,
            // Node would add the port even if it is the default, and ZITADEL selects its instance by this
            // value.
            ":authority": authority,
          });
          connections.set(stream, connection);
          stream.once("response", () => connection.onRead());
          stream.once("close", () => connection.release(stream));
          return stream;
        };
        return await this.#run(open);
      },
      notifyResponseByteRead: (stream) => connections.get(stream)?.onRead(),
    };
  }

  /** Resolves when a connection has room for a stream. */
  async room(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#run(() => undefined, signal);
  }

  #run<R>(use: (connection: Connection) => R, signal?: AbortSignal): Promise<R> {
    return new Promise((resolve, reject) => {
      const waiter = {
        start: (connection: Connection) => {
          signal?.removeEventListener("abort", onAbort);
          try {
            resolve(use(connection));
          } catch (reason) {
            reject(reason);
          }
        },
        fail: (error: unknown) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      const onAbort = () => {
        this.#pool.leave(waiter);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort);
      this.#pool.run(waiter);
    });
  }
}
