import { own } from "../../options/checker.js";
import { unref } from "../../transports/fetch/unref.js";

type Fetch = typeof globalThis.fetch;

interface Socket {
  /** "h2" if other requests share the connection. */
  readonly alpnProtocol?: string | false | null;
  ref(): void;
  unref(): void;
}

/**
 * A `fetch` whose requests do not keep the process alive: a caller that waits for a token holds a timer, and
 * a background renewal must not delay the exit of the process. It works with `createFetch` and, in Node, with
 * the platform's `fetch`; on other platforms no request keeps the process alive, and a caller's own `fetch`
 * is left as it is.
 *
 * @param given undefined for the platform's.
 */
export function unrefFetch(given: Fetch | undefined): Fetch {
  return given === undefined
    ? (input, init) => watched(() => globalThis.fetch(input, init))
    : (input, init) => given(input, own({ ...init, [unref]: true } as RequestInit));
}

/** Runs a function and records the requests that it starts. */
let watched = (send: () => Promise<Response>): Promise<Response> => {
  // https://undici.nodejs.org/#/docs/api/DiagnosticsChannel: there is no other way to the socket.
  const channels = globalThis.process?.getBuiltinModule?.("diagnostics_channel");
  if (channels === undefined) {
    return send();
  }
  const requests = new WeakSet<object>();
  const sockets = new WeakSet<object>();
  let sending = false;
  channels.subscribe("undici:request:create", (message) => {
    if (sending) {
      requests.add((message as { request: object }).request);
    }
  });
  channels.subscribe("undici:client:sendHeaders", (message) => {
    const { request, socket } = message as { request: object; socket: Socket };
    if (requests.has(request) && socket.alpnProtocol !== "h2") {
      sockets.add(socket);
      socket.unref();
    } else if (sockets.delete(socket)) {
      // An unrelated request follows on the same connection.
      socket.ref();
    }
  });
  watched = (send) => {
    sending = true;
    try {
      return send();
    } finally {
      sending = false;
    }
  };
  return watched(send);
};
