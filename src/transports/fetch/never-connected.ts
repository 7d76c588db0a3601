/** Failures of certificate checks and handshakes, after which no request is sent. */
const handshakeCodes =
  /^(UND_ERR_CONNECT_TIMEOUT|(ERR_TLS_)?CERT_\w+|\w*SELF_SIGNED_CERT\w*|UNABLE_TO_\w+|HOSTNAME_MISMATCH|ERR_SSL_(WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|\w+_ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)))$/;

/**
 * Whether `fetch` failed before there was a connection, so that nothing was sent: the name was not resolved,
 * no address could be connected to, or TLS was not established. The code alone is not enough: `read
 * ECONNREFUSED` and `EHOSTUNREACH` come from connections that carried the request.
 */
export function neverConnected(failure: unknown): boolean {
  const { syscall, code, errors, cause } = (failure ?? {}) as Record<string, unknown>;
  if (Array.isArray(errors) && errors.length > 0) {
    // One for each address of the name.
    return errors.every(neverConnected);
  }
  return (
    syscall === "connect" ||
    syscall === "getaddrinfo" ||
    handshakeCodes.test(String(code)) ||
    (cause !== undefined && neverConnected(cause))
  );
}
