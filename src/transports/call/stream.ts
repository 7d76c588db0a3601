import type {
  DescMessage,
  DescMethodStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ContextValues, StreamRequest, StreamResponse } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { Deadline } from "./deadline.js";

export type StreamFn<I extends DescMessage, O extends DescMessage> = (
  request: StreamRequest<I, O>,
) => Promise<StreamResponse<I, O>>;

/** The request of a streaming call, as interceptors see it. */
export function streamRequest<I extends DescMessage, O extends DescMessage>(
  deadline: Deadline,
  call: {
    method: DescMethodStreaming<I, O>;
    url: string;
    requestMethod: string;
    header: Headers;
    contextValues: ContextValues;
    message: AsyncIterable<MessageInitShape<I>>;
  },
): StreamRequest<I, O> {
  const { method, url, requestMethod, header, contextValues, message } = call;
  return {
    stream: true,
    service: method.parent,
    method,
    url,
    requestMethod,
    header,
    contextValues,
    signal: deadline.signal,
    message: complete(method.input, message),
  };
}

async function* complete<I extends DescMessage>(
  schema: I,
  messages: AsyncIterable<MessageInitShape<I>>,
): AsyncGenerator<MessageShape<I>> {
  for await (const message of messages) {
    yield create(schema, message);
  }
}

/**
 * Runs a streaming call with the endings of `Deadline`: at its time as `DeadlineExceeded`, at the
 * caller's abort as `Canceled` with the caller's reason. The call is over, and its connection let go,
 * when its messages end, fail, or are not wanted any more.
 *
 * @param start makes the call; the deadline's signal ends it.
 */
export function callStream<I extends DescMessage, O extends DescMessage>(
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
  start: (deadline: Deadline) => Promise<StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(timeoutMs, signal, reject);
    if (deadline.ended) {
      return;
    }
    const fail = (reason: unknown) => {
      deadline.end();
      reject(ConnectError.from(reason));
    };
    try {
      start(deadline).then(
        (response) => resolve({ ...response, message: guard(response.message, deadline) }),
        fail,
      );
    } catch (reason) {
      fail(reason);
    }
  });
}

function guard<O extends DescMessage>(
  messages: AsyncIterable<MessageShape<O>>,
  deadline: Deadline,
): AsyncIterable<MessageShape<O>> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () =>
          new Promise((resolve, reject) => {
            const forget = deadline.onExpiry(reject);
            iterator.next().then(
              (result) => {
                forget();
                if (result.done) {
                  deadline.end();
                }
                resolve(result);
              },
              (reason) => {
                forget();
                deadline.end();
                reject(ConnectError.from(reason));
              },
            );
          }),
        async return(value?: unknown) {
          deadline.end();
          return { done: true as const, value };
        },
      };
    },
  };
}
