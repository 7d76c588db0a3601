import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { withOutcome } from "../../errors/certainty.js";
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
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the call fails with DeadlineExceeded; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  /** The headers of the request, as interceptors see them. */
  readonly header: Headers | undefined;
  /** Creates the headers if there are none yet. */
  readonly defaultHeader?: (timeoutMs: number | undefined) => Headers;
  readonly message: MessageInitShape<I>;
  readonly contextValues: ContextValues | undefined;
}

/**
 * Makes one attempt with a request that an interceptor may have created. It settles when the deadline
 * expires, and counts in `deadline.call.inDoubt` from when its request may reach the server.
 */
export type Send = (
  request: UnaryRequest,
  deadline: Deadline,
  call: UnaryCall,
) => Promise<UnaryResponse>;

/** Of a call that is over before it begins. */
const notSent = { mayHaveBeenApplied: false, sent: false };

/** A call in progress. */
export class RunningCall implements ExpiryListener {
  readonly call: UnaryCall;
  readonly deadline: Deadline;
  /**
   * Turns of the microtask queue that interceptors have to propagate that the call has settled; 0 until they
   * run.
   */
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
    this.#reject(withOutcome(error, this.deadline?.outcome ?? notSent));
  }
}

/** Contexts inherit from it: values set in one stay in it, and creating one costs next to nothing. */
const noContext = createContextValues();

/** Creates a call from the parts of its request. */
export type Start = (parts: RequestParts, running: RunningCall) => Promise<UnaryResponse>;

/**
 * Runs a unary call through its interceptors. At the deadline and when the caller aborts, the attempt
 * rejects, so that every interceptor sees it; if an interceptor does not propagate that, the call's promise
 * still rejects, in the same turn of the event loop.
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
      reject(withOutcome(ConnectError.from(reason), deadline.outcome));
      deadline.end();
    };
    try {
      const { method, url, requestMethod, contextValues = Object.create(noContext) } = call;
      const message = create(method.input, call.message);
      const parts = { service: method.parent, method, url, requestMethod, contextValues, message };
      // Already a promise, unless an interceptor returns something else.
      Promise.resolve(start(parts as RequestParts, running)).then((response) => {
        resolve(response as UnaryResponse as UnaryResponse<I, O>);
        deadline.end();
      }, fail);
    } catch (reason) {
      fail(reason);
    }
  });
}

/** Runs a unary call whose request is complete from the start. */
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

/** One attempt. @param signal unless it is the call's signal. */
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

/** Settles an attempt when its call settles, whatever the platform does. */
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

/** An async function that awaits, catches and rethrows takes three turns; some do more. */
const ticksPerInterceptor = 10;

/**
 * The timeout of a call, by Connect's rules: the call's own, else the default; 0 or less means no limit.
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
      `timeoutMs must be a number of milliseconds (0 for no limit), got ${typeof timeoutMs === "string" ? JSON.stringify(timeoutMs) : String(timeoutMs)}`,
      Code.InvalidArgument,
    );
  }
  return timeoutMs <= 0 || timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
}
