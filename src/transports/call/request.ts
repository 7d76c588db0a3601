import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { ContextValues, StreamRequest, UnaryRequest } from "@connectrpc/connect";

/** Header fields by name, without repeats. */
export type HeaderFields = Readonly<Record<string, string>>;

/** Everything of a request that costs nothing to make. */
export interface RequestParts<I extends DescMessage, O extends DescMessage> {
  service: DescService;
  method: DescMethodUnary<I, O>;
  url: string;
  requestMethod: string;
  contextValues: ContextValues;
  message: MessageShape<I>;
}

type AnyRequest = UnaryRequest | StreamRequest;

const lazyState = Symbol("lazy");

/** What a lazy request has not made yet, or has. */
interface LazyState {
  /** A copy of the request carries the state of the original; only this one may be read by it. */
  owner: object | undefined;
  /** The fields that were added to a call without headers of its own, until somebody reads `header`. */
  readonly fields: HeaderFields | undefined;
  readonly makeHeader: () => Headers;
  header: Headers | undefined;
  signal: AbortSignal | undefined;
  readonly signalFrom: { readonly signal: AbortSignal };
}

/**
 * A request whose `header` and `signal` are made when somebody reads them: most calls end without that,
 * and the two cost more than all the rest. Everything that Connect's interceptors do with a request
 * works: read it, copy it by spreading, derive from it, assign to it.
 *
 * @param fields the header fields that `makeHeader` adds to the protocol's; undefined when the call has
 * headers that only `makeHeader` knows.
 */
export function lazyRequest<I extends DescMessage, O extends DescMessage>(
  parts: RequestParts<I, O>,
  fields: HeaderFields | undefined,
  makeHeader: () => Headers,
  signalFrom: { readonly signal: AbortSignal },
): UnaryRequest<I, O> {
  const state: LazyState = {
    owner: undefined,
    fields,
    makeHeader,
    header: undefined,
    signal: undefined,
    signalFrom,
  };
  // Own accessors, since a copy by spreading leaves out those of a prototype.
  const request = {
    stream: false as const,
    service: parts.service,
    method: parts.method,
    url: parts.url,
    requestMethod: parts.requestMethod,
    contextValues: parts.contextValues,
    message: parts.message,
    get header() {
      state.header ??= state.makeHeader();
      return state.header;
    },
    set header(header) {
      state.header = header;
    },
    get signal() {
      return state.signal ?? state.signalFrom.signal;
    },
    set signal(signal) {
      state.signal = signal;
    },
    [lazyState]: state,
  };
  state.owner = request;
  return request;
}

function stateOf(request: object): LazyState | undefined {
  const state = (request as { [lazyState]?: LazyState })[lazyState];
  return state?.owner === request ? state : undefined;
}

/** The header fields of a request whose `header` nobody has read, changed or given; undefined otherwise. */
export function unreadFields(request: object): HeaderFields | undefined {
  const state = stateOf(request);
  return state?.header === undefined ? state?.fields : undefined;
}

/** The signal that ends this request, unless it is still that of its call. */
export function replacedSignal(
  request: { readonly signal: AbortSignal },
  call: { ownsSignal(signal: AbortSignal): boolean },
): AbortSignal | undefined {
  let from = request;
  for (let state = stateOf(from); state !== undefined; state = stateOf(from)) {
    if (state.signal !== undefined) {
      break;
    }
    from = state.signalFrom;
  }
  if ((from as object) === call) {
    return undefined;
  }
  const { signal } = from;
  return call.ownsSignal(signal) ? undefined : signal;
}

/** The request with another signal. */
export function withSignal<I extends DescMessage, O extends DescMessage>(
  request: UnaryRequest<I, O>,
  signal: AbortSignal,
): UnaryRequest<I, O> {
  return lazyRequest(request, unreadFields(request), () => request.header, { signal });
}

/**
 * The request with more header fields. What it has itself wins.
 *
 * @param optional names of fields that are not sent where the request has an empty value for them.
 */
export function withHeaderFields<R extends AnyRequest>(
  request: R,
  fields: HeaderFields,
  optional: readonly string[],
): R {
  const makeHeader = () => merge(request.header, fields, optional);
  const state = stateOf(request);
  if (state === undefined) {
    const { stream, service, method, url, requestMethod, contextValues, message, signal } = request;
    const header = makeHeader();
    // All of them by name: an interceptor may have derived the request, and copies are spread.
    return {
      ...{ stream, service, method, url, requestMethod, contextValues, message, signal, header },
    } as R;
  }
  const unread = unreadFields(request);
  return lazyRequest(
    request as RequestParts<DescMessage, DescMessage>,
    unread && { ...fields, ...unread },
    makeHeader,
    request,
  ) as AnyRequest as R;
}

function merge(own: Headers, fields: HeaderFields, optional: readonly string[]): Headers {
  const header = new Headers(own);
  for (const name in fields) {
    if (!header.has(name)) {
      header.set(name, fields[name] ?? "");
    }
  }
  for (const name of optional) {
    if (header.get(name) === "") {
      header.delete(name);
    }
  }
  return header;
}
