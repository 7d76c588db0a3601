import type { StreamRequest, UnaryRequest } from "@connectrpc/connect";
import { own } from "../../options/checker.js";
import { headerValueProblem } from "../../options/header-value.js";

/** Header fields by name, each once. */
export type HeaderFields = Readonly<Record<string, string>>;

/** Header fields that a client adds. The request's own fields take precedence. */
export interface AddedFields {
  readonly fields: HeaderFields;
  /** Names of fields that are omitted if the request has an empty value for them. */
  readonly optional: readonly string[];
}

/** The parts of a request that are cheap to create. */
export type RequestParts = Omit<UnaryRequest, "stream" | "header" | "signal">;

type AnyRequest = UnaryRequest | StreamRequest;

export const lazyState: unique symbol = Symbol("lazy");

/** The state of a request whose `header` is created on first access. */
export interface LazyState {
  /** A copy of the request carries the state of the original, but only the original may use it. */
  readonly owner: object | undefined;
  /** The fields added to a call without headers of its own, until `header` is first accessed. */
  readonly unread: HeaderFields | undefined;
  withHeaderFields(added: AddedFields): UnaryRequest;
  /** Sets a field without creating the header. */
  set(name: string, value: string): void;
}

/** Undefined for a request that an interceptor created, for example by spreading. */
export function stateOf<S extends LazyState = LazyState>(request: object): S | undefined {
  const state = (request as { [lazyState]?: S })[lazyState];
  return state?.owner === request ? state : undefined;
}

/** The request with additional header fields. */
export function withHeaderFields<R extends AnyRequest>(request: R, added: AddedFields): R {
  const state = stateOf(request);
  return state === undefined
    ? withParts(request, { header: merge(request.header, added) })
    : (state.withHeaderFields(added) as AnyRequest as R);
}

/** Sets header fields of the request itself. */
export function setHeaderFields(request: AnyRequest, fields: HeaderFields): void {
  const state = stateOf(request);
  for (const name of Object.keys(fields)) {
    const value = fields[name] ?? "";
    // `Headers` validates anything that is not plain.
    if (state?.unread !== undefined && headerValueProblem(value) === undefined) {
      state.set(name, value);
    } else {
      request.header.set(name, value);
    }
  }
}

/** A copy of the request with other parts. */
export function withParts<R extends AnyRequest>(
  request: R,
  parts: { header?: Headers; signal?: AbortSignal },
): R {
  // All properties by name: an interceptor may have derived the request, and copies are spread.
  const { stream, service, method, url, requestMethod, contextValues, message } = request;
  const { header = request.header, signal = request.signal } = own(parts);
  return {
    ...{ stream, service, method, url, requestMethod, contextValues, message, signal, header },
  } as R;
}

export function merge(own: Headers, { fields, optional }: AddedFields): Headers {
  const header = new Headers(own);
  for (const name of Object.keys(fields)) {
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
