import type { ClientHttp2Stream } from "node:http2";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import type { GrpcOptions } from "../../options/options.js";
import type { TransportOptions } from "../call/attempt.js";
import type { Call, WaitingCalls } from "../call/call.js";
import { createStream, streamInterceptors } from "../call/stream.js";
import type { Connection } from "./connection.js";
import type { RequestHeaders } from "./headers.js";
import type { ConnectionPool } from "./pool.js";

/**
 * Streaming methods are connect-node's, over the connections of the pool. It is loaded when the first of them
 * is called: most programs use no streams.
 */
export function createStreams(
  options: TransportOptions<GrpcOptions>,
  headers: RequestHeaders,
  pool: ConnectionPool,
  authority: string,
  waiting: WaitingCalls,
): Transport["stream"] {
  let loading: ReturnType<typeof load> | undefined;
  const load = async () => {
    const { createGrpcTransport } = await import("@connectrpc/connect-node");
    const own = new StreamConnection(options.baseUrl, pool, authority);
    return (call: Call) =>
      createGrpcTransport({
        // The same names with the same meaning; the session manager's own are not used.
        ...(options as GrpcTransportOptions),
        sessionManager: own.manager,
        interceptors: streamInterceptors(options, call, () => own.room(call.signal)),
      });
  };
  return createStream(options, waiting, async (call, header, limitMs) => {
    headers.addTo(header, limitMs);
    loading ??= load();
    const create = await loading.catch((reason) => {
      loading = undefined;
      throw ConnectError.from(reason, Code.InvalidArgument);
    });
    return create(call);
  });
}

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Makes connect-node open its streams on the connections of a pool. */
class StreamConnection {
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
