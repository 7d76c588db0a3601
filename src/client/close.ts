const closers = new WeakMap<object, () => void>();

/** Remembers the function that closes the connections of a client or a transport. */
export function registerForClose<T extends object>(target: T, closer = () => {}): T {
  closers.set(target, closer);
  return target;
}

/**
 * Closes the connections of a client or a transport at once. Calls in flight reject with `Canceled`, and so
 * do later ones. Over `fetch` (gRPC-web, JSON) there is no connection to close, and nothing happens. Closing
 * twice is fine.
 *
 * @param clientOrTransport what `createManagementClient` or `createTransport` returned, or the `transport`
 * of a sandbox.
 * @returns nothing; the connections are closed when it returns.
 * @throws TypeError for anything that this package did not create: it could not close those connections, and
 * the program would wait for them forever.
 * @example
 * ```ts
 * import { close, createManagementClient } from "zitadel-user-grants";
 *
 * const client = createManagementClient({ baseUrl: "https://example.zitadel.cloud" });
 * close(client);
 * ```
 */
export function close(clientOrTransport: object): void {
  const closer = closers.get(clientOrTransport);
  if (closer === undefined) {
    throw new TypeError(
      "close() takes a client or a transport made by zitadel-user-grants; this one was made elsewhere",
    );
  }
  closer();
}
