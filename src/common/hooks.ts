import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type ContextKey, type UnaryResponse } from "@connectrpc/connect";

/**
 * Sees every request that leaves a client, as it leaves: each attempt, with its credentials. It throws nothing:
 * that would end the call.
 */
export type Observer = (request: SentRequest) => ResponseObserver;

export interface SentRequest {
  readonly method: DescMethod;
  readonly url: string;
  /** As sent, but for what HTTP adds. */
  readonly header: Headers;
  /** What must not be shown: the secrets that the call has sent so far, in all its attempts. */
  readonly secrets: readonly string[];
}

/** Sees what follows, in order. A request that fails ends with `onError`, any other with `onEnd`. */
export interface ResponseObserver {
  onMessage(from: "client" | "server", message: MessageShape<DescMessage>): void;
  onResponse(header: Headers): void;
  onEnd(trailer: Headers): void;
  onError(error: ConnectError): void;
}

/** Shows an observer the message of a unary request, and what comes of it. */
export function observe(
  observer: ResponseObserver,
  message: MessageShape<DescMessage>,
  result: Promise<UnaryResponse>,
): void {
  observer.onMessage("client", message);
  result.then(
    (response) => {
      observer.onResponse(response.header);
      observer.onMessage("server", response.message);
      observer.onEnd(response.trailer);
    },
    (reason) => observer.onError(ConnectError.from(reason)),
  );
}

/**
 * Is asked right before each request of a call is sent. @returns undefined when it may be sent at once, or a
 * promise for when it may; if that rejects, the request is not sent, and the call fails.
 */
export type SendGate = () => Promise<void> | undefined;

/**
 * The gate that every request of a call passes: first attempts, retries and those with another token alike. A
 * rate limit that is kept here is kept where requests leave. The id is registered, so that two installed copies
 * of the package share it.
 */
export const sendGate: ContextKey<SendGate | undefined> = {
  id: Symbol.for("zitadel-user-grants.send-gate"),
  defaultValue: undefined,
};

/** What code that a call waits for may ask of the call. */
export interface WaitingCall {
  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined;
  /** Sets what the call waits for, in words: its error shows it if the call settles meanwhile. */
  explain(obstacle: () => string | undefined): void;
}

/** A property, since an entry in a WeakMap costs every call more than its signal. */
const call = Symbol("call");

type OwnSignal = AbortSignal & { [call]?: WaitingCall };

/** Records whose signal it is. */
export function registerSignal(signal: OwnSignal, itsCall: WaitingCall): void {
  signal[call] = itsCall;
}

/** The call that has this signal; undefined for a signal of other code. */
export function callOf(signal: OwnSignal): WaitingCall | undefined {
  return signal[call];
}
