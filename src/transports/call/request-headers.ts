import { Code, ConnectError } from "@connectrpc/connect";

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
      "a header of the call has a name or value that HTTP does not allow (a line break, say); nothing was sent",
      Code.InvalidArgument,
    );
  }
}
