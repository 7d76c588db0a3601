import { Code, ConnectError } from "@connectrpc/connect";

/** Headers of one connection and its bodies, which a program may pass on from a request that it received. */
const ofConnection = [
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
];

/**
 * The headers of a call, without those that describe another connection: sent on, a wrong length breaks the
 * connection, with every call on it.
 *
 * @throws ConnectError `InvalidArgument` when HTTP does not allow one of them. It does not name it: the
 * platform's own error shows the value, which may be a token.
 */
export function callHeaders(init: HeadersInit | undefined): Headers {
  try {
    const headers = new Headers(init);
    for (const name of ofConnection) {
      headers.delete(name);
    }
    return headers;
  } catch {
    throw new ConnectError(
      "a header of the call has a name or value that HTTP does not allow (a line break, say); nothing was sent",
      Code.InvalidArgument,
    );
  }
}
