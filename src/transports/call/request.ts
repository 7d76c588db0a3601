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
  /** Whether copies by spreading are complete. */
  readonly isCopied: boolean;
}

/**
 * A request whose `header` and `signal` are made when somebody reads them: most calls end without that,
 * and the two cost more than all the rest. Everything that Connect's interceptors do with a request
 * works: read it, copy it by spreading, derive from it, assign to it.
 */
class LazyRequest<I extends DescMessage, O extends DescMessage> implements UnaryRequest<I, O> {
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly url: string;
  readonly requestMethod: string;
  readonly contextValues: ContextValues;
  readonly message: MessageShape<I>;
  readonly [lazyState]: LazyState;

  constructor(parts: RequestParts<I, O>, state: LazyState) {
    this.service = parts.service;
    this.method = parts.method;
    this.url = parts.url;
    this.requestMethod = parts.requestMethod;
    this.contextValues = parts.contextValues;
    this.message = parts.message;
    this[lazyState] = state;
    state.owner = this;
    if (state.isCopied) {
      Object.defineProperties(this, ownAccessors);
    }
  }

  get header(): Headers {
    const state = this[lazyState];
    state.header ??= state.makeHeader();
    return state.header;
  }

  set header(header: Headers) {
    this[lazyState].header = header;
  }

  get signal(): AbortSignal {
    const state = this[lazyState];
    return state.signal ?? state.signalFrom.signal;
  }

  set signal(signal: AbortSignal) {
    this[lazyState].signal = signal;
  }
}

/** Copies by spreading leave out the accessors of a prototype; on the object itself they cost more. */
const ownAccessors = Object.fromEntries(
  (["header", "signal"] as const).map((name) => [
    name,
    { ...Object.getOwnPropertyDescriptor(LazyRequest.prototype, name), enumerable: true },
  ]),
);

/** Fields of a call that has none of its own. */
export const noFields: HeaderFields = {};

/**
 * Makes a lazy request.
 *
 * @param fields the header fields that `makeHeader` adds to the protocol's; undefined when the call has
 * headers that only `makeHeader` knows.
 * @param isCopied whether interceptors may see it that copy it by spreading.
 */
export function lazyRequest<I extends DescMessage, O extends DescMessage>(
  parts: RequestParts<I, O>,
  fields: HeaderFields | undefined,
  makeHeader: () => Headers,
  signalFrom: { readonly signal: AbortSignal },
  isCopied: boolean,
): UnaryRequest<I, O> {
  return new LazyRequest(parts, {
    owner: undefined,
    fields,
    makeHeader,
    header: undefined,
    signal: undefined,
    signalFrom,
    isCopied,
  });
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
  return lazyRequest(request, unreadFields(request), () => request.header, { signal }, false);
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
    unread === noFields ? fields : unread && { ...fields, ...unread },
    makeHeader,
    request,
    state.isCopied,
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
