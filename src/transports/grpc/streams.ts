import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import type { GrpcOptions } from "../../options/options.js";
import type { TransportOptions } from "../call/attempt.js";
import type { Call, WaitingCalls } from "../call/call.js";
import { createStream, streamInterceptors } from "../call/stream.js";
import type { Connection } from "./connection.js";
import type { RequestHeaders } from "./headers.js";
import type { ConnectionPool, Waiter } from "./pool.js";

/** Streaming methods are connect-node's, over the connections of the pool. */
export function createStreams(
  options: TransportOptions<GrpcOptions>,
  headers: RequestHeaders,
  pool: ConnectionPool,
  waiting: WaitingCalls,
): Transport["stream"] {
  return createStream(options, waiting, async (call, header, limitMs) => {
    headers.addTo(header, limitMs);
    const room = <R>(use: (connection: Connection) => R) => withConnection(pool, call, use);
    return createGrpcTransport({
      // The same names with the same meaning; the session manager's own are not used.
      ...(options as GrpcTransportOptions),
      sessionManager: sessionManager(options.baseUrl, headers.authority, room),
      interceptors: streamInterceptors(options, call, () => room(() => undefined)),
    });
  });
}

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Makes connect-node open the stream of a call on a connection of the pool. */
function sessionManager(
  baseUrl: string,
  authority: string,
  room: <R>(use: (connection: Connection) => R) => Promise<R>,
): SessionManager {
  let connection: Connection | undefined;
  return {
    authority: new URL(baseUrl).origin,
    request: async (method, path, headers) =>
      await room((ready) => {
        connection = ready;
        // Node would add the port even if it is the default, and ZITADEL selects its instance by this value.
        const target = { ":method": method, ":path": path, ":authority": authority };
        const stream = ready.request({ ...headers, ...target });
        stream.once("response", () => ready.onRead());
        stream.once("close", () => ready.release(stream));
        return stream;
      }),
    notifyResponseByteRead: () => connection?.onRead(),
  };
}

/** Uses a connection when one has room for the call. */
async function withConnection<R>(
  pool: ConnectionPool,
  call: Call,
  use: (connection: Connection) => R,
): Promise<R> {
  call.throwIfEnded();
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const waiter: Waiter = {
    start(connection) {
      try {
        call.throwIfEnded();
        resolve(use(connection));
      } catch (reason) {
        reject(reason);
      }
    },
    fail: reject,
  };
  pool.run(waiter);
  try {
    return await call.waitFor(promise);
  } finally {
    pool.leave(waiter);
  }
}
