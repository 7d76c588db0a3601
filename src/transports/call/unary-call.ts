import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { applyInterceptors } from "./apply-interceptors.js";
import { Deadline } from "./deadline.js";

export type UnaryFn<I extends DescMessage, O extends DescMessage> = (
  request: UnaryRequest<I, O>,
) => Promise<UnaryResponse<I, O>>;

/** What a transport gives to run one unary call; the rest is the same for every protocol. */
export interface UnaryCall<I extends DescMessage, O extends DescMessage> {
  method: DescMethodUnary<I, O>;
  readonly url: string;
  requestMethod: string;
  /** The caller's. */
  signal: AbortSignal | undefined;
  /** Milliseconds until the call ends as DeadlineExceeded; undefined for none. */
  timeoutMs: number | undefined;
  /** Read when somebody asks for it, so a getter may put off making it. */
  readonly header: Headers;
  message: MessageInitShape<I>;
  contextValues: ContextValues | undefined;
  interceptors: readonly Interceptor[];
  /** Makes the request when no interceptor will see it, at less cost than one that may be copied. */
  request?:
    | ((call: UnaryCall<I, O>, message: MessageShape<I>, deadline: Deadline) => UnaryRequest<I, O>)
    | undefined;
  /**
   * Makes one attempt. An interceptor may call it more than once, and with a request of its own making:
   * `original` says whether this is the one that the call began with.
   */
  send: (
    request: UnaryRequest<I, O>,
    deadline: Deadline,
    original: boolean,
  ) => Promise<UnaryResponse<I, O>>;
}

/**
 * Runs a unary call through its interceptors. The promise settles at the deadline, at the caller's
 * abort or with the answer, whichever comes first, whatever interceptors or the platform do.
 */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
): Promise<UnaryResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const deadline = new Deadline(call.timeoutMs, call.signal, reject);
    if (deadline.ended) {
      return;
    }
    const run = async () => {
      try {
        const message = create(call.method.input, call.message);
        // Getters: most calls end without anybody having looked, and headers and signal are dear.
        const request = call.request?.(call, message, deadline) ?? {
          stream: false,
          service: call.method.parent,
          method: call.method,
          url: call.url,
          requestMethod: call.requestMethod,
          get header() {
            return call.header;
          },
          contextValues: call.contextValues ?? createContextValues(),
          message,
          get signal() {
            return deadline.signal;
          },
        };
        const next = applyInterceptors<UnaryFn<I, O>>(
          (r) => call.send(r, deadline, r === request),
          call.interceptors,
        );
        resolve(await next(request));
      } catch (reason) {
        // Servers whose own clock runs out respond with all sorts of errors.
        const isLate = !deadline.ended && deadline.remainingMs() === 0;
        reject(isLate ? deadline.exceeded() : ConnectError.from(reason));
      }
      deadline.end();
    };
    void run();
  });
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
