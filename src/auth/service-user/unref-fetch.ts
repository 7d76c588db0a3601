import { unref } from "../../transports/fetch/unref.js";

type Fetch = typeof globalThis.fetch;

interface Socket {
  /** "h2" where others share the connection. */
  readonly alpnProtocol?: string | false | null;
  ref(): void;
  unref(): void;
}

/**
 * A `fetch` whose requests keep no program alive: whoever waits for a token has a timer, and a renewal that
 * nobody waits for must not hold up the end of a program. It works with `createFetch` and, in Node, with
 * the platform's; elsewhere nothing keeps a program alive, and a caller's own `fetch` does as it likes.
 *
 * @param given undefined for the platform's.
 */
export function unrefFetch(given: Fetch | undefined): Fetch {
  return given === undefined
    ? (input, init) => watched(() => globalThis.fetch(input, init))
    : (input, init) => given(input, { ...init, [unref]: true } as RequestInit);
}

/** Calls while the requests that come of it are noted. */
let watched = (send: () => Promise<Response>): Promise<Response> => {
  // https://undici.nodejs.org/#/docs/api/DiagnosticsChannel: there is no other way to the socket.
  const channels = globalThis.process?.getBuiltinModule?.("node:diagnostics_channel");
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
      // Somebody else's request follows on the same connection.
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
