import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { Deadline } from "./deadline.js";

/**
 * Runs a streaming call of one of Connect's transports under a `Deadline`: it settles with `DeadlineExceeded`
 * when its time is up, and with `Canceled` and the caller's reason when the caller aborts. The call settles,
 * and its connection is released, when its messages end or fail, or when the consumer stops reading.
 *
 * @param start makes the call; the deadline's signal cancels it.
 */
export function callStream<I extends DescMessage, O extends DescMessage>(
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
  start: (deadline: Deadline) => Promise<StreamResponse<I, O>>,
): Promise<StreamResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(timeoutMs, signal, { onExpiry: reject });
    if (deadline.ended) {
      return;
    }
    const run = async () => {
      deadline.inDoubt = 1;
      try {
        const response = await start(deadline);
        resolve({ ...response, message: guard(response.message, deadline) });
      } catch (reason) {
        reject(endAs(reason, deadline));
      }
    };
    void run();
  });
}

function guard<O extends DescMessage>(
  messages: AsyncIterable<MessageShape<O>>,
  deadline: Deadline,
): AsyncIterable<MessageShape<O>> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      let isDone = false;
      return {
        next: () =>
          new Promise((resolve, reject) => {
            if (isDone) {
              resolve({ done: true, value: undefined });
              return;
            }
            const listener = {
              onExpiry: (error: ConnectError) => {
                isDone = true;
                reject(error);
              },
            };
            deadline.listen(listener);
            iterator.next().then(
              (result) => {
                deadline.leave(listener);
                if (result.done) {
                  isDone = true;
                  deadline.end();
                }
                resolve(result);
              },
              (reason) => {
                deadline.leave(listener);
                isDone = true;
                reject(endAs(brokenResponse(reason), deadline));
              },
            );
          }),
        async return(value?: unknown) {
          isDone = true;
          deadline.end();
          return { done: true as const, value };
        },
      };
    },
  };
}

/** Settles the call, and returns its error: at or after the deadline, `DeadlineExceeded`. */
function endAs(reason: unknown, deadline: Deadline): ConnectError {
  const isLate = !deadline.ended && deadline.remainingMs() === 0;
  deadline.end();
  return isLate ? deadline.exceeded() : ConnectError.from(reason);
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
