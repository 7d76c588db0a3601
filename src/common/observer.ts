import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";

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

/** Reports a whole response. */
export function observeResponse(
  observer: ResponseObserver,
  { header, message, trailer }: UnaryResponse,
): void {
  observer.onResponse(header);
  observer.onMessage("server", message);
  observer.onEnd(trailer);
}
