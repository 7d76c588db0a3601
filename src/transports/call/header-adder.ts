import type { Interceptor } from "@connectrpc/connect";

/** What goes out with an attempt: the call's own headers and more, or, where it has none, the others. */
export type AddedHeaders = Headers | Readonly<Record<string, string>>;

/**
 * Adds headers to a call and makes it; may make it again with other headers.
 *
 * @param own undefined when the call has none. They are not changed.
 * @param attempt is given `Headers` when the call has some of its own.
 */
export type HeaderAdder = <R>(
  call: { readonly stream: boolean; readonly signal: AbortSignal },
  own: Headers | undefined,
  attempt: (headers: AddedHeaders) => Promise<R>,
) => Promise<R>;

/** An interceptor that does what its adder does, and nothing else. */
export type HeaderAddingInterceptor = Interceptor & { addHeaders: HeaderAdder };

/**
 * The interceptors of a transport that can do the work of the innermost by itself: making a request with
 * `Headers` for it, and copying both, costs more than all the rest of the way.
 */
export function splitHeaderAdder(
  interceptors: readonly (Interceptor | HeaderAddingInterceptor)[],
): {
  interceptors: readonly Interceptor[];
  addHeaders: HeaderAdder | undefined;
} {
  const innermost = interceptors.at(-1);
  return innermost !== undefined && "addHeaders" in innermost
    ? { interceptors: interceptors.slice(0, -1), addHeaders: innermost.addHeaders }
    : { interceptors, addHeaders: undefined };
}
