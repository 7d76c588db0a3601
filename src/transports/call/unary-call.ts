import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { applyInterceptors } from "./apply-interceptors.js";
import { Deadline, type ExpiryListener } from "./deadline.js";
import { type RequestParts, withParts } from "./request.js";

/** One unary call. */
export interface UnaryCall<
  I extends DescMessage = DescMessage,
  O extends DescMessage = DescMessage,
> {
  readonly method: DescMethodUnary<I, O>;
  readonly url: string;
  readonly requestMethod: string;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the call ends as DeadlineExceeded; undefined for none. */
  readonly timeoutMs: number | undefined;
  /** The headers of the request, as interceptors see them. */
  readonly header: Headers | undefined;
  /** Makes them where there are none. */
  readonly defaultHeader?: (timeoutMs: number | undefined) => Headers;
  readonly message: MessageInitShape<I>;
  readonly contextValues: ContextValues | undefined;
}

/**
 * Makes one attempt with a request that may be of an interceptor's own making. It settles when the deadline
 * expires, and counts in `deadline.call.inDoubt` from when its request may reach the server.
 */
export type Send = (
  request: UnaryRequest,
  deadline: Deadline,
  call: UnaryCall,
) => Promise<UnaryResponse>;

/** A call under way. */
export class RunningCall implements ExpiryListener {
  readonly call: UnaryCall;
  readonly deadline: Deadline;
  /** How long interceptors have to pass on that the call is over; none until they run. */
  ticks = 0;

  readonly #reject: (error: ConnectError) => void;

  constructor(call: UnaryCall, reject: (error: ConnectError) => void) {
    this.call = call;
    this.#reject = reject;
    this.deadline = new Deadline(call.timeoutMs, call.signal, this);
  }

  async onExpiry(error: ConnectError): Promise<void> {
    for (let tick = 0; tick < this.ticks; tick++) {
      await undefined;
    }
    this.#reject(error);
  }
}

/** Contexts inherit from it: what is set in one is its own, and making it costs next to nothing. */
const noContext = createContextValues();

/** What makes a call from the parts of its request. */
export type Start = (parts: RequestParts, running: RunningCall) => Promise<UnaryResponse>;

/**
 * Runs a unary call through its interceptors. At the deadline and at the caller's abort the attempt
 * rejects, so that every interceptor sees the end; should one of them not pass it on, the call's promise
 * rejects all the same, in the same turn of the event loop.
 */
export function runUnary<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
  interceptors: readonly Interceptor[],
  start: Start,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const running = new RunningCall(call as UnaryCall, reject);
    const { deadline } = running;
    if (deadline.ended) {
      return;
    }
    running.ticks = ticksPerInterceptor * (interceptors.length + 1);
    const fail = (reason: unknown) => {
      reject(ConnectError.from(reason));
      deadline.end();
    };
    try {
      const { method, url, requestMethod, contextValues = Object.create(noContext) } = call;
      const message = create(method.input, call.message);
      const parts = { service: method.parent, method, url, requestMethod, contextValues, message };
      // A promise already, unless an interceptor is of another mind.
      Promise.resolve(start(parts as RequestParts, running)).then((response) => {
        resolve(response as UnaryResponse as UnaryResponse<I, O>);
        deadline.end();
      }, fail);
    } catch (reason) {
      fail(reason);
    }
  });
}

/** Runs a unary call whose request is whole from the start. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O> & { header: Headers },
  interceptors: readonly Interceptor[],
  send: Send,
): Promise<UnaryResponse<I, O>> {
  return runUnary(call, interceptors, (parts, running) => {
    const { deadline } = running;
    const request = {
      ...parts,
      stream: false as const,
      header: call.header,
      signal: deadline.signal,
    };
    return applyInterceptors<(request: UnaryRequest) => Promise<UnaryResponse>>(
      (last) =>
        attempt(last, running, deadline.ownsSignal(last.signal) ? undefined : last.signal, send),
      interceptors,
    )(request);
  });
}

/** One attempt. @param signal unless it is the call's. */
export function attempt(
  request: UnaryRequest,
  { call, deadline: callDeadline }: RunningCall,
  signal: AbortSignal | undefined,
  send: Send,
): Promise<UnaryResponse> {
  if (signal === undefined) {
    return send(request, callDeadline, call);
  }
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(undefined, signal, { onExpiry: reject }, callDeadline);
    if (!deadline.ended) {
      const sent = withParts(request, { signal: deadline.signal });
      const end = () => deadline.end();
      send(sent, deadline, call).then(resolve, reject).then(end);
    }
  });
}

/** Has an attempt settle when its call ends, whatever the platform does. */
export function untilExpiry<T>(deadline: Deadline, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const listener = { onExpiry: reject };
    deadline.listen(listener);
    if (deadline.ended) {
      return;
    }
    run().then(
      (result) => {
        deadline.leave(listener);
        resolve(result);
      },
      (reason) => {
        const error = deadline.judge(reason);
        deadline.leave(listener);
        reject(error);
      },
    );
  });
}

/** An async function that awaits, catches and throws on takes three; some do more on their way out. */
const ticksPerInterceptor = 10;

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
