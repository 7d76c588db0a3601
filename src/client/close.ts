import type { Transport } from "@connectrpc/connect";

const transports = new WeakMap<object, Transport>();
const closers = new WeakMap<object, () => void>();

/** Remembers which transport a client calls through, so that `close` takes either of them. */
export function registerClient<C extends object>(client: C, transport: Transport): C {
  transports.set(client, transport);
  return client;
}

/** Remembers what ends the connections of a transport. */
export function registerTransport<T extends Transport>(transport: T, closer: () => void): T {
  closers.set(transport, closer);
  return transport;
}

/**
 * Ends the connections of a client or a transport that this package made, at once. Calls in flight
 * end as `Canceled`. Over `fetch` (gRPC-web, JSON) there is no connection to end and nothing happens.
 * Closing twice is fine.
 *
 * @throws TypeError when given something that this package did not make: it could not end its
 * connections, and a program that believes them closed would wait for ever.
 */
export function close(clientOrTransport: object): void {
  const target = transports.get(clientOrTransport) ?? clientOrTransport;
  const closer = closers.get(target);
  if (closer === undefined) {
    throw new TypeError(
      "close() takes a client or a transport made by zitadel-user-grants; this one was made elsewhere",
    );
  }
  closer();
}
