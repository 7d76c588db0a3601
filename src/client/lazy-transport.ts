import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { markNotProcessed } from "../errors/not-processed.js";
import { Deadline } from "../transports/call/deadline.js";
import type { ClosableTransport } from "../transports/call/options.js";

/**
 * A transport that a page loads beside its own code: from when the client is made, and again at a call
 * where that failed. A call that comes before it waits, and fails as never sent when its time is up or
 * nothing can be loaded.
 *
 * @param defaultTimeoutMs of calls that say none; undefined for no limit.
 */
export function createLazyTransport(
  load: () => Promise<ClosableTransport>,
  defaultTimeoutMs: number | undefined,
): ClosableTransport {
  let loaded: Transport | undefined;
  let loading: Promise<Transport> | undefined;
  const start = () => {
    loading ??= load().then(
      ({ transport }) => {
        loaded = transport;
        return transport;
      },
      (reason) => {
        loading = undefined;
        throw markNotProcessed(
          new ConnectError(
            "the transport could not be loaded; nothing was sent",
            Code.Unavailable,
            undefined,
            undefined,
            reason,
          ),
        );
      },
    );
    return loading;
  };
  start().catch(() => undefined);

  /** Passes a call on, with the time that is left to it. */
  const pass = async <R>(
    signal: AbortSignal | undefined,
    timeoutMs = defaultTimeoutMs,
    send: (transport: Transport, timeoutMs: number | undefined) => Promise<R>,
  ) => {
    if (loaded !== undefined) {
      return send(loaded, timeoutMs);
    }
    // What is no time limit is for the transport to judge.
    const isLimit = typeof timeoutMs === "number" && timeoutMs > 0;
    const { transport, leftMs } = await new Promise<{ transport: Transport; leftMs: number }>(
      (resolve, reject) => {
        const deadline = new Deadline(isLimit ? timeoutMs : undefined, signal, reject);
        deadline.obstacle = () => "the transport was not loaded";
        start()
          .then((transport) => resolve({ transport, leftMs: deadline.remainingMs() ?? 0 }), reject)
          .finally(() => deadline.end());
      },
    );
    return send(transport, isLimit ? Math.max(1, Math.ceil(leftMs)) : timeoutMs);
  };
  return {
    transport: {
      unary: (method, signal, timeoutMs, ...call) =>
        pass(signal, timeoutMs, (transport, leftMs) =>
          transport.unary(method, signal, leftMs, ...call),
        ),
      stream: (method, signal, timeoutMs, ...call) =>
        pass(signal, timeoutMs, (transport, leftMs) =>
          transport.stream(method, signal, leftMs, ...call),
        ),
    },
  };
}
