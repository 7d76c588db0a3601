import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { markNotProcessed } from "../errors/not-processed.js";
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
        throw unsent("the transport could not be loaded", Code.Unavailable, reason);
      },
    );
    return loading;
  };
  start().catch(() => undefined);

  const ready = (signal: AbortSignal | undefined, timeoutMs: number | undefined) =>
    new Promise<Transport>((resolve, reject) => {
      const onAbort = () =>
        reject(unsent("the caller aborted the call", Code.Canceled, signal?.reason));
      const timer =
        timeoutMs !== undefined && timeoutMs > 0 && timeoutMs < 2 ** 31
          ? setTimeout(
              () => reject(unsent("the transport was not loaded in time", Code.DeadlineExceeded)),
              timeoutMs,
            )
          : undefined;
      const leave = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      signal?.addEventListener("abort", onAbort);
      if (signal?.aborted) {
        onAbort();
      }
      start().then(resolve, reject).finally(leave);
    });

  /** What is left of a call's time after waiting. */
  const left = (timeoutMs: number | undefined, startedAtMs: number) =>
    typeof timeoutMs === "number" && timeoutMs > 0
      ? Math.max(1, Math.ceil(timeoutMs - (performance.now() - startedAtMs)))
      : timeoutMs;

  const transport: Transport = {
    async unary(method, signal, timeoutMs = defaultTimeoutMs, ...call) {
      if (loaded !== undefined) {
        return await loaded.unary(method, signal, timeoutMs, ...call);
      }
      const startedAtMs = performance.now();
      const late = await ready(signal, timeoutMs);
      return await late.unary(method, signal, left(timeoutMs, startedAtMs), ...call);
    },
    async stream(method, signal, timeoutMs = defaultTimeoutMs, ...call) {
      if (loaded !== undefined) {
        return await loaded.stream(method, signal, timeoutMs, ...call);
      }
      const startedAtMs = performance.now();
      const late = await ready(signal, timeoutMs);
      return await late.stream(method, signal, left(timeoutMs, startedAtMs), ...call);
    },
  };
  return { transport };
}

function unsent(what: string, code: Code, reason?: unknown): ConnectError {
  return markNotProcessed(
    new ConnectError(`${what}; nothing was sent`, code, undefined, undefined, reason),
  );
}
