import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse, Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { asConnectError, decided, decides, neverSent } from "../../errors/certainty.js";
import { callHeaders, fieldsOf, type TransportOptions } from "./attempt.js";
import { Call, effectiveTimeoutMs, type WaitingCalls } from "./call.js";

/**
 * `Transport.stream` by one of Connect's transports, which is made for each call. A call settles with
 * `DeadlineExceeded` when its time is up, and with `Canceled` and the caller's reason when the caller aborts. It
 * settles, and its connection is released, when its messages end or fail, or when the consumer stops reading.
 *
 * @param transportFor `call.signal` cancels the call; header fields may be added.
 */
export function createStream(
  { defaultTimeoutMs }: TransportOptions<unknown>,
  waiting: WaitingCalls | undefined,
  transportFor: (call: Call, header: Headers, limitMs: number | undefined) => Promise<Transport>,
): Transport["stream"] {
  return async (method, signal, timeoutMs, init, messages, contextValues) => {
    const begin = () => {
      try {
        const limitMs = effectiveTimeoutMs(timeoutMs, defaultTimeoutMs);
        return { limitMs, header: callHeaders(init), call: new Call(limitMs, signal, waiting) };
      } catch (reason) {
        throw neverSent(reason);
      }
    };
    const { limitMs, header, call } = begin();
    const start = async () => {
      const transport = await transportFor(call, header, limitMs);
      // Without a time limit of its own: the call's signal aborts it in time.
      return await transport.stream(method, call.signal, 0, header, messages, contextValues);
    };
    try {
      call.throwIfEnded();
      const response = await call.waitFor(start());
      return { ...response, message: guard(response.message, call) };
    } catch (reason) {
      throw endAs(reason, call);
    }
  };
}

/**
 * The interceptors of a stream: the program's, its credentials, and what happens when it is sent.
 *
 * @param connect resolves when there is a connection.
 */
export function streamInterceptors(
  { interceptors, stream, observer }: TransportOptions<unknown>,
  call: Call,
  connect?: () => Promise<void>,
): Interceptor[] {
  const send = (next: Next) => async (request: StreamRequest) => {
    const { method, url, message, contextValues } = request;
    const { fields, onRejected } = await stream(fieldsOf(request.header), call);
    call.remember(fields);
    await connect?.();
    await call.passGate(contextValues);
    call.onSent();
    const header = new Headers(fields);
    const seen = observer?.({ method, url, header, secrets: call.secrets });
    const failed = (reason: unknown): never => {
      if (reason instanceof ConnectError && reason.code === Code.Unauthenticated) {
        onRejected();
      }
      seen?.onError(ConnectError.from(reason));
      throw call.masked(reason);
    };
    const sent = async function* () {
      for await (const one of message) {
        seen?.onMessage("client", one);
        yield one;
      }
    };
    const response = await next({ ...request, header, message: sent() }).catch(failed);
    seen?.onResponse(response.header);
    const received = async function* () {
      try {
        for await (const one of response.message) {
          seen?.onMessage("server", one);
          yield one;
        }
      } catch (reason) {
        failed(reason);
      }
      seen?.onEnd(response.trailer);
    };
    return { ...response, message: received() };
  };
  return [...interceptors, send as unknown as Interceptor];
}

type Next = (request: StreamRequest) => Promise<StreamResponse>;

function guard<O extends DescMessage>(
  messages: AsyncIterable<MessageShape<O>>,
  call: Call,
): AsyncIterable<MessageShape<O>> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      let isDone = false;
      return {
        async next() {
          if (isDone) {
            return { done: true, value: undefined };
          }
          try {
            const result = await call.waitFor(iterator.next());
            if (result.done) {
              isDone = true;
              call.end();
            }
            return result;
          } catch (reason) {
            isDone = true;
            throw endAs(brokenResponse(reason), call);
          }
        },
        async return(value?: unknown) {
          isDone = true;
          call.end();
          return { done: true as const, value };
        },
      };
    },
  };
}

/** Settles the call, and returns its error. Only a status decides that a stream was not processed. */
function endAs(reason: unknown, call: Call): ConnectError {
  const error = asConnectError(reason);
  if (error.isWireError && decides(error.code)) {
    decided(error, "rejected");
  }
  if (call.outcome.sent) {
    call.onFailed(error);
  }
  const last = call.finalError(call.failure(error));
  call.end();
  return last;
}

/**
 * Connect reports a truncated response as `InvalidArgument`, which gRPC reserves for errors of the caller.
 */
function brokenResponse(reason: unknown): unknown {
  return reason instanceof ConnectError &&
    reason.code === Code.InvalidArgument &&
    !reason.isWireError
    ? new ConnectError(reason.rawMessage, Code.Internal, reason.metadata, undefined, reason)
    : reason;
}
