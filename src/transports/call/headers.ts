import { Code, ConnectError } from "@connectrpc/connect";
import type { HeaderFields } from "./call.js";

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
