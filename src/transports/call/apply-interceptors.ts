import type { Interceptor } from "@connectrpc/connect";

/**
 * Wraps an attempt in interceptors, the first of them outermost.
 *
 * Interceptors are typed for every method and both kinds of call at once; each passes on the type it is
 * given, so the type of `next` holds for the result.
 */
export function applyInterceptors<Next>(next: Next, interceptors: readonly Interceptor[]): Next {
  return interceptors.reduceRight(
    (inner, interceptor) => (interceptor as unknown as (next: Next) => Next)(inner),
    next,
  );
}

const plain = new WeakSet<Interceptor>();

/** Marks an interceptor that passes on the request and response it is given, or objects derived from them. */
export function withoutCopies<I extends Interceptor>(interceptor: I): I {
  plain.add(interceptor);
  return interceptor;
}

/** Whether an interceptor may copy requests and responses, for example by spreading. */
export function copiesRequests(interceptor: Interceptor): boolean {
  return !plain.has(interceptor);
}
