import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { applyInterceptors, copiesRequests } from "./apply-interceptors.js";
import { Deadline } from "./deadline.js";
import { lazyRequest, noFields, replacedSignal, withSignal } from "./request.js";

type UnaryFn<I extends DescMessage, O extends DescMessage> = (
  request: UnaryRequest<I, O>,
) => Promise<UnaryResponse<I, O>>;

/** What a transport gives to run one unary call; the rest is the same for every protocol. */
export interface UnaryCall<I extends DescMessage, O extends DescMessage> {
  method: DescMethodUnary<I, O>;
  url: string;
  requestMethod: string;
  /** The caller's. */
  signal: AbortSignal | undefined;
  /** Milliseconds until the call ends as DeadlineExceeded; undefined for none. */
  timeoutMs: number | undefined;
  /** The headers of the request, as interceptors see them; or what makes them when somebody looks. */
  header: Headers | (() => Headers);
  message: MessageInitShape<I>;
  contextValues: ContextValues | undefined;
  interceptors: readonly Interceptor[];
  /**
   * Makes one attempt with a request that may be of an interceptor's own making. The attempt counts in
   * `deadline.call.inDoubt` from when its request may reach the server.
   */
  send: (request: UnaryRequest<I, O>, deadline: Deadline) => Promise<UnaryResponse<I, O>>;
}

/**
 * Runs a unary call through its interceptors. At the deadline and at the caller's abort the attempt
 * rejects, so that every interceptor sees the end; should one of them not pass it on, the call's promise
 * rejects all the same, in the same turn of the event loop.
 */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const { interceptors } = call;
    let running = false;
    const deadline = new Deadline(call.timeoutMs, call.signal, (error) => {
      if (running) {
        void afterTicks(ticksPerInterceptor * (interceptors.length + 1), () => reject(error));
      } else {
        reject(error);
      }
    });
    if (deadline.ended) {
      return;
    }
    running = true;
    const run = async () => {
      try {
        const { header } = call;
        const request = lazyRequest(
          {
            service: call.method.parent,
            method: call.method,
            url: call.url,
            requestMethod: call.requestMethod,
            contextValues: call.contextValues ?? createContextValues(),
            message: create(call.method.input, call.message),
          },
          typeof header === "function" ? noFields : undefined,
          typeof header === "function" ? header : () => header,
          deadline,
          interceptors.some(copiesRequests),
        );
        const next = applyInterceptors<UnaryFn<I, O>>(
          (r) => attempt(call, r, deadline),
          interceptors,
        );
        resolve(await next(request));
      } catch (reason) {
        reject(ConnectError.from(reason));
      }
      deadline.end();
    };
    void run();
  });
}

/** One attempt. It settles when the call ends, whatever the platform does. */
function attempt<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
  request: UnaryRequest<I, O>,
  callDeadline: Deadline,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const signal = replacedSignal(request, callDeadline);
    const deadline =
      signal === undefined ? callDeadline : new Deadline(undefined, signal, reject, callDeadline);
    const leave = signal === undefined ? deadline.onExpiry(reject) : () => deadline.end();
    if (deadline.ended) {
      return;
    }
    const sent = signal === undefined ? request : withSignal(request, deadline.signal);
    call.send(sent, deadline).then(
      (response) => {
        leave();
        resolve(response);
      },
      (reason) => {
        const error = deadline.judge(reason);
        leave();
        reject(error);
      },
    );
  });
}

/** An async function that awaits, catches and throws on takes three; some do more on their way out. */
const ticksPerInterceptor = 10;

async function afterTicks(ticks: number, then: () => void): Promise<void> {
  for (let tick = 0; tick < ticks; tick++) {
    await undefined;
  }
  then();
}

/**
 * The time a call has, by Connect's rules: what the call asks for, else the default, and 0 or less for
 * no limit.
 *
 * @throws ConnectError `InvalidArgument` when it is not a number.
 */
export function effectiveTimeoutMs(
  timeoutMs: number | undefined,
  defaultTimeoutMs: number | undefined,
): number | undefined {
  if (timeoutMs === undefined) {
    return defaultTimeoutMs;
  }
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
    throw new ConnectError(
      `timeoutMs must be a number of milliseconds (0 for no limit), got ${String(timeoutMs)}`,
      Code.InvalidArgument,
    );
  }
  return timeoutMs <= 0 || timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
}
