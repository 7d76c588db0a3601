import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type {
  ContextValues,
  Interceptor,
  Transport,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { Observer } from "../../common/hooks.js";
import { platform } from "../../common/time.js";
import { asConnectError, neverSent } from "../../errors/certainty.js";
import { Call, effectiveTimeoutMs, type HeaderFields, type WaitingCalls } from "./call.js";

/** One attempt of a unary call. */
export interface Attempt {
  readonly method: DescMethodUnary;
  readonly url: string;
  /** The header fields of the request, without those that the protocol sets itself. */
  readonly fields: HeaderFields;
  readonly message: MessageShape<DescMessage>;
  readonly call: Call;
  readonly contextValues: ContextValues;
}

/**
 * Makes an attempt. It settles when its call does. `call.onSent` has been called before anything leaves, and
 * `call.onFailed` before it rejects.
 */
export type Send = (attempt: Attempt) => Promise<UnaryResponse>;

export interface StreamFields {
  readonly fields: HeaderFields;
  /** To be called when the server has rejected the token among them. */
  onRejected(): void;
}

/** The input of a transport: the checked options of its protocol, and what a client does with its calls. */
export type TransportOptions<O> = Omit<
  O,
  "token" | "orgId" | "instanceHost" | "allowInsecure" | "retry" | "debug"
> & {
  interceptors: Interceptor[];
  readMaxBytes: number;
  /** Undefined for no limit. */
  defaultTimeoutMs: number | undefined;
  /** Makes the attempts of a call out of single ones: with credentials, and as many as it takes. */
  attempts: (send: Send) => Send;
  /** The header fields of a stream, with credentials. */
  stream: (own: HeaderFields, call: Call) => Promise<StreamFields>;
  observer: Observer | undefined;
};

/**
 * A transport, and the function that closes its connections; there is no such function over `fetch`, which
 * manages connections itself.
 */
export interface ClosableTransport {
  transport: Transport;
  close?: () => void;
}

/** Unary calls of a protocol. */
export interface UnaryProtocol {
  /** Where and how a message is sent. @throws ConnectError when it cannot be. */
  target(
    method: DescMethodUnary,
    message: MessageShape<DescMessage>,
  ): { readonly url: string; readonly requestMethod: string };
  send: Send;
}

/** Contexts inherit from it: values set in one stay in it, and creating one costs next to nothing. */
const noContext = createContextValues();

const noFields: HeaderFields = {};

/**
 * `Transport.unary` of a protocol. Only a program's own interceptors get a `UnaryRequest`, with its expensive
 * `Headers` and `AbortSignal`.
 *
 * @param waiting those that `close()` has to settle.
 */
export function createUnary<O>(
  options: TransportOptions<O>,
  protocol: UnaryProtocol,
  waiting?: WaitingCalls,
): Transport["unary"] {
  const { interceptors, defaultTimeoutMs } = options;
  const send = options.attempts((attempt) => {
    attempt.call.remember(attempt.fields);
    return protocol.send(attempt);
  });

  const unary = (
    method: DescMethodUnary,
    callerSignal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    init: HeadersInit | undefined,
    input: Record<string, unknown>,
    contextValues: ContextValues = Object.create(noContext),
  ): Promise<UnaryResponse> => {
    try {
      const limitMs = effectiveTimeoutMs(timeoutMs, defaultTimeoutMs);
      const message = create<DescMessage>(method.input, input);
      const { url, requestMethod } = protocol.target(method, message);
      const fields = init === undefined ? noFields : fieldsOf(callHeaders(init));
      const call = new Call(limitMs, callerSignal, waiting);
      const attempt = { method, url, fields, message, call, contextValues };
      if (interceptors.length > 0) {
        const request: UnaryRequest = {
          stream: false,
          service: method.parent,
          method,
          requestMethod,
          url,
          signal: call.signal,
          header: new Headers(fields),
          contextValues,
          message,
        };
        return intercept(call, request, interceptors, protocol, send);
      }
      // An attempt may have failed by itself in the moment that the call ended.
      return settle(
        call,
        () => send(attempt),
        (reason) => call.finalError(call.failure(call.endedBy ?? reason)),
      );
    } catch (reason) {
      return Promise.reject(neverSent(reason));
    }
  };
  return unary as unknown as Transport["unary"];
}

/** Settles a call as what it runs, which settles with the call at the latest. */
async function settle(
  call: Call,
  run: () => Promise<UnaryResponse>,
  failure: (reason: unknown) => ConnectError,
): Promise<UnaryResponse> {
  try {
    call.throwIfEnded();
    const response = await run();
    call.end(true);
    return response;
  } catch (reason) {
    throw failure(reason);
  } finally {
    call.end();
  }
}

/** Runs a call through the program's interceptors, the first of them outermost. */
function intercept(
  call: Call,
  request: UnaryRequest,
  interceptors: readonly Interceptor[],
  protocol: UnaryProtocol,
  send: Send,
): Promise<UnaryResponse> {
  const run = () =>
    new Promise<UnaryResponse>((resolve, reject) => {
      // Interceptors see how their attempts end, and may throw another error. The call does not wait for them.
      const listener = {
        onExpiry(error: ConnectError) {
          if (error === call.endedBy) {
            platform.setTimer(() => reject(error), 0);
          }
        },
      };
      call.listen(listener);
      const first = interceptors.reduceRight<(request: UnaryRequest) => Promise<UnaryResponse>>(
        (next, interceptor) => interceptor(next as never) as typeof next,
        (last) => runNext(call, protocol, send, request.url, last),
      );
      Promise.resolve(first(request)).then((response) => {
        call.leave(listener);
        resolve(response);
      }, reject);
    });
  return settle(call, run, (reason) =>
    call.finalError(reason === call.endedBy ? call.failure(reason) : asConnectError(reason)),
  );
}

/** One `next()` of an interceptor: it settles with the signal of its request, and by itself when its call does. */
async function runNext(
  call: Call,
  protocol: UnaryProtocol,
  send: Send,
  originalUrl: string,
  request: UnaryRequest,
): Promise<UnaryResponse> {
  const { method, message, contextValues, signal } = request;
  const own = signal === call.signal ? call : call.branch(signal);
  try {
    own.throwIfEnded();
    // The message may be another one, and a path may hold parts of it.
    const url =
      request.url === originalUrl
        ? protocol.target(method, message).url
        : sameOrigin(request.url, originalUrl);
    const fields = fieldsOf(request.header);
    return await send({ method, url, fields, message, call: own, contextValues });
  } catch (reason) {
    throw own.failure(reason);
  } finally {
    if (own !== call) {
      own.end();
    }
  }
}

/** @throws ConnectError `InvalidArgument`: the token is for one server. */
function sameOrigin(url: string, originalUrl: string): string {
  const { origin } = new URL(originalUrl);
  const given = URL.canParse(url) ? new URL(url) : undefined;
  if (given?.origin !== origin) {
    throw new ConnectError(
      `an interceptor has set the request's url to ${given?.origin ?? "no URL"}, but the calls of this client go to ${origin}`,
      Code.InvalidArgument,
    );
  }
  // One way to write it: without a default port, credentials or a fragment, which are no part of a request.
  return origin + given.pathname + given.search;
}

/** Headers of one connection and its bodies, which a program may pass on from a request that it received. */
const ofConnection = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The headers of a call.
 *
 * @throws ConnectError `InvalidArgument` when HTTP does not allow one of them. It does not name it: the
 * platform's own error shows the value, which may be a token.
 */
export function callHeaders(init: HeadersInit | undefined): Headers {
  try {
    return new Headers(init);
  } catch {
    throw new ConnectError(
      "a header of the call has a name or value that HTTP does not allow (a line break, say)",
      Code.InvalidArgument,
    );
  }
}

/**
 * The fields of headers, without those that describe another connection: sent on, a wrong length breaks the
 * connection, with every call on it.
 */
export function fieldsOf(headers: Headers): HeaderFields {
  const fields: Record<string, string> = {};
  headers.forEach((value, name) => {
    if (!ofConnection.has(name)) {
      fields[name] = value;
    }
  });
  return fields;
}
