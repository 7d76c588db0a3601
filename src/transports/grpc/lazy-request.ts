import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { ContextValues, UnaryRequest } from "@connectrpc/connect";
import {
  type AddedFields,
  type HeaderFields,
  type LazyState,
  lazyState,
  merge,
  type RequestParts,
  stateOf,
} from "../call/request.js";
import type { RunningCall } from "../call/unary-call.js";

const noFields: HeaderFields = {};

/** The parts that a lazy request has created, and the inputs for the rest. */
class State implements LazyState {
  owner: UnaryRequest | undefined;
  signal: AbortSignal | undefined;
  #header: Headers | undefined;

  readonly call: RunningCall;
  /** The request that this one is derived from; undefined for the call's own. */
  readonly base: UnaryRequest | undefined;
  readonly #added: AddedFields | undefined;
  #fields: HeaderFields | undefined;
  #set: HeaderFields | undefined;
  /** Whether interceptors that copy requests may see requests derived from this one. */
  readonly #copiesDerived: boolean;

  constructor(
    call: RunningCall,
    base: UnaryRequest | undefined,
    added: AddedFields | undefined,
    fields: HeaderFields | undefined,
    copiesDerived: boolean,
  ) {
    this.call = call;
    this.base = base;
    this.#added = added;
    this.#fields = fields;
    this.#copiesDerived = copiesDerived;
  }

  get header(): Headers {
    if (this.#header === undefined) {
      const { call } = this.call;
      const header =
        this.base?.header ?? call.header ?? call.defaultHeader?.(call.timeoutMs) ?? new Headers();
      this.#header = this.#added === undefined ? header : merge(header, this.#added);
      const set = this.#set ?? noFields;
      for (const name of Object.keys(set)) {
        this.#header.set(name, set[name] ?? "");
      }
    }
    return this.#header;
  }

  set header(header: Headers) {
    this.#header = header;
  }

  get unread(): HeaderFields | undefined {
    return this.#header === undefined ? this.#fields : undefined;
  }

  set(name: string, value: string): void {
    this.#set = { ...this.#set, [name]: value };
    this.#fields = { ...this.#fields, [name]: value };
  }

  withHeaderFields(added: AddedFields): UnaryRequest {
    const { unread, owner } = this;
    const fields = unread === noFields ? added.fields : unread && { ...added.fields, ...unread };
    const state = new State(this.call, owner, added, fields, this.#copiesDerived);
    return new LazyRequest(owner as UnaryRequest, state, this.#copiesDerived);
  }
}

/**
 * A request whose `header` and `signal` are created on first access: most calls settle without them, and the
 * two cost more than everything else. Everything that Connect's interceptors do with a request works: read
 * it, copy it by spreading, derive from it, assign to it.
 */
class LazyRequest implements UnaryRequest {
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary;
  readonly url: string;
  readonly requestMethod: string;
  readonly contextValues: ContextValues;
  readonly message: MessageShape<DescMessage>;
  readonly [lazyState]: State;

  constructor(parts: RequestParts, state: State, isCopied: boolean) {
    this.service = parts.service;
    this.method = parts.method;
    this.url = parts.url;
    this.requestMethod = parts.requestMethod;
    this.contextValues = parts.contextValues;
    this.message = parts.message;
    this[lazyState] = state;
    state.owner = this;
    if (isCopied) {
      Object.defineProperties(this, ownAccessors);
    }
  }

  get header(): Headers {
    return this[lazyState].header;
  }

  set header(header: Headers) {
    this[lazyState].header = header;
  }

  get signal(): AbortSignal {
    const { signal, base, call } = this[lazyState];
    return signal ?? (base ?? call.deadline).signal;
  }

  set signal(signal: AbortSignal) {
    this[lazyState].signal = signal;
  }
}

/** Spreading does not copy accessors of a prototype; on the object itself they cost more. */
const ownAccessors = Object.fromEntries(
  (["header", "signal"] as const).map((name) => [
    name,
    { ...Object.getOwnPropertyDescriptor(LazyRequest.prototype, name), enumerable: true },
  ]),
);

/**
 * The request of a call.
 *
 * @param isCopied whether it may reach interceptors that copy it by spreading.
 * @param copiesDerived whether requests that others derive from it may reach them.
 */
export function lazyRequest(
  parts: RequestParts,
  running: RunningCall,
  isCopied: boolean,
  copiesDerived: boolean,
): UnaryRequest {
  const fields = running.call.header === undefined ? noFields : undefined;
  const state = new State(running, undefined, undefined, fields, copiesDerived);
  return new LazyRequest(parts, state, isCopied);
}

/** The request as a lazy one of this call: an interceptor may have created a new object. */
export function adopted(request: UnaryRequest, running: RunningCall): UnaryRequest {
  return stateOf<State>(request)?.call === running
    ? request
    : new LazyRequest(request, new State(running, request, undefined, undefined, false), false);
}

/** The call of a request, unless the request is a copy. */
export function callOf(request: UnaryRequest): RunningCall {
  return (request as LazyRequest)[lazyState].call;
}

/** The header fields of a request whose `header` was never accessed; undefined otherwise. */
export function unreadFields(request: UnaryRequest): HeaderFields | undefined {
  return stateOf(request)?.unread;
}

/** The signal that cancels this request, unless it is still that of its call. */
export function replacedSignal(request: UnaryRequest, call: RunningCall): AbortSignal | undefined {
  let from = request;
  for (
    let state = stateOf<State>(from);
    state?.signal === undefined;
    state = stateOf<State>(from)
  ) {
    if (state === undefined) {
      return call.deadline.ownsSignal(from.signal) ? undefined : from.signal;
    }
    if (state.base === undefined) {
      return undefined;
    }
    from = state.base;
  }
  return from.signal;
}
