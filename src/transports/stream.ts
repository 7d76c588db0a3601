import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { Deadline } from "./deadline.js";

/**
 * Runs a streaming call that another transport makes, with the endings of `Deadline`: at its time as
 * `DeadlineExceeded`, at the caller's abort as `Canceled` with the caller's reason. The call is over,
 * and its connection let go, when its messages end, fail, or are not wanted any more.
 *
 * @param start makes the call, with the signal that ends it.
 */
export function callStream<I extends DescMessage, O extends DescMessage>(
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
  start: (signal: AbortSignal, deadline: Deadline) => Promise<StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(timeoutMs, signal, reject);
    if (deadline.ended) {
      return;
    }
    start(deadline.signal, deadline).then(
      (response) => resolve({ ...response, message: guard(response.message, deadline) }),
      (reason) => {
        deadline.end();
        reject(reason);
      },
    );
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
                reject(reason);
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
