import type { DescMessage } from "@bufbuild/protobuf";
import type { Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { applyInterceptors, copiesRequests } from "../call/apply-interceptors.js";
import { attempt, runUnary, type Send, type Start, type UnaryCall } from "../call/unary-call.js";
import { adopted, callOf, lazyRequest, replacedSignal } from "./lazy-request.js";

/**
 * Returns a function that runs a unary call with a lazy request. The caller's own interceptors are applied to
 * each call, as in Connect's transports; those of this package, which are innermost, once.
 */
export function createUnaryCalls(interceptors: readonly Interceptor[], send: Send) {
  const callers = interceptors.slice(0, interceptors.findLastIndex(copiesRequests) + 1);
  const isCopied = callers.length > 0;
  const copiesDerived = callers.length === interceptors.length;
  const last = applyInterceptors<(request: UnaryRequest) => Promise<UnaryResponse>>((request) => {
    const running = callOf(request);
    return attempt(request, running, replacedSignal(request, running), send);
  }, interceptors.slice(callers.length));

  const start: Start = (parts, running) => {
    const request = lazyRequest(parts, running, isCopied, copiesDerived);
    return isCopied
      ? applyInterceptors<typeof last>((copy) => last(adopted(copy, running)), callers)(request)
      : last(request);
  };
  return <I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
  ): Promise<UnaryResponse<I, O>> => runUnary(call, interceptors, start);
}
