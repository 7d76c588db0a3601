/**
 * What is known of the errors of platforms (Node, undici, Deno, Bun, OpenSSL), by code and system call. An error
 * that is not in these tables says nothing about whether a request was sent.
 */

/** The server's certificate is not valid for this client. */
export const certificate =
  /^(?:(?:CERT|CRL)_\w+|\w*SELF_SIGNED_CERT\w*|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$/;

/**
 * The server rejects the client's certificate, with TLS 1.3 when the client has a session already: it has processed
 * nothing of this connection.
 */
export const clientCertificate =
  /ALERT_(?:CERTIFICATE_(?:REQUIRED|UNKNOWN|EXPIRED|REVOKED)|UNKNOWN_CA|(?:BAD|UNSUPPORTED)_CERTIFICATE)$/;

/** The two sides have no version, cipher or protocol in common, or one of them does not speak TLS. */
const handshake =
  /ALERT_(?:HANDSHAKE_FAILURE|NO_APPLICATION_PROTOCOL|PROTOCOL_VERSION|INSUFFICIENT_SECURITY)$|UNRECOGNIZED_NAME$|^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNSUPPORTED_PROTOCOL|NO_(?:CIPHERS|PROTOCOLS)_AVAILABLE|(?:DH|EE)_KEY_TOO_SMALL)$/;

/**
 * No such host; our own codes for a proxy that is set wrongly or wants credentials, and for another HTTP; a
 * runtime without HTTP/2 of Node (workerd).
 */
const settings =
  /^(?:ENOTFOUND|ERR_PROXY_SETTING|ERR_PROXY_CREDENTIALS|ERR_NO_HTTP2|ERR_METHOD_NOT_IMPLEMENTED)$/;

/** No connection for now. */
const transient =
  /^(?:EAI_\w+|UND_ERR_CONNECT_TIMEOUT|ERR_PROXY_REFUSED|ConnectionRefused|FailedToOpenSocket)$/;

/** Node's system calls before there is a connection: `read ECONNREFUSED` comes from one that carried the request. */
const beforeConnection = /^(?:connect|getaddrinfo|query\w+)$/;

type Fields = Readonly<Record<string, unknown>>;

/** The depth of nested causes that is read. */
const maxDepth = 8;

/**
 * Whether an error says that the server's application got no request: no address, no connection, no TLS session,
 * a client certificate that the server rejects before it has responded, a proxy that opens no tunnel.
 *
 * @param error what a `fetch` or a socket failed with, before any byte of a response.
 */
export function nothingSent(error: unknown): boolean {
  return (
    isPermanent(error) ||
    hasCode(error, transient) ||
    some(error, ({ syscall }) => beforeConnection.test(String(syscall)))
  );
}

/**
 * Whether no retry mends a failure: an invalid certificate, a name that does not exist, a proxy that is set
 * wrongly or wants credentials, a server without HTTP/2. False for what is not known.
 */
export function isPermanent(error: unknown): boolean {
  return hasCode(error, certificate, clientCertificate, handshake, settings);
}

/** Whether an error or one of its causes has a code of one of these tables. */
export function hasCode(error: unknown, ...tables: readonly RegExp[]): boolean {
  return some(error, (one) => tables.some((codes) => codes.test(codeOf(one))));
}

/**
 * Whether a TypeError that a `fetch` threw is of the network, and not a mistake in a program's own `fetch`:
 * platforms give it a cause, or one of these texts.
 */
export function isNetworkFailure({ cause, message }: TypeError): boolean {
  const texts =
    /^(?:fetch failed|failed to fetch|load failed|network ?(?:error|request|connection)|error sending request)/i;
  return cause !== undefined || texts.test(message);
}

/** One line about a failure: what the platform says. */
export function describeFailure(error: unknown): string {
  const errors = chain(error);
  // "fetch failed", with the reason as its cause.
  const telling = errors.find((one) => !(one instanceof TypeError && one.cause)) ?? errors[0];
  const { errors: several, message, code } = telling ?? {};
  const each = Array.isArray(several)
    ? several.map((one: Fields | null) => one?.message || one?.code)
    : [];
  const said = message || [...new Set(each)].join(", ") || code || error;
  return opensslReason(telling) ?? withoutQueries(String(said));
}

/**
 * The parts of a platform or library error that go into one of ours: name, code, system call and clean
 * message, and the same of its causes. Such errors can hold whole requests and raw bytes (`rawPacket`), and
 * addresses with a query.
 *
 * @param mask masks the secrets of the call.
 * @returns undefined for anything that is neither an error nor text.
 */
export function plainCause(
  reason: unknown,
  mask: (text: string) => string,
  depth = 0,
): Error | string | undefined {
  const clean = (text: unknown) => mask(withoutQueries(String(text)));
  if (typeof reason === "string") {
    return clean(reason);
  }
  if (!(reason instanceof Error) || depth > maxDepth) {
    return undefined;
  }
  const { name, code, syscall, cause } = reason as Error & Fields;
  const inner = plainCause(cause, mask, depth + 1);
  const message = clean(reason.message || describeFailure(reason));
  const plain = new Error(message, inner === undefined ? undefined : { cause: inner });
  const stack = `${clean(name)}: ${message}`;
  Object.defineProperties(plain, { name: { value: clean(name) }, stack: { value: stack } });
  return Object.assign(
    plain,
    typeof code === "string" && { code: clean(code) },
    typeof code === "number" && { code },
    typeof syscall === "string" && { syscall: clean(syscall) },
  );
}

/** Whether one of an error and its causes fits; of several errors of one attempt, each of them must. */
function some(error: unknown, fits: (error: Fields) => boolean): boolean {
  return chain(error).some(
    (one) =>
      fits(one) ||
      (Array.isArray(one.errors) &&
        one.errors.length > 0 &&
        one.errors.every((each) => chain(each).some(fits))),
  );
}

/** An error and its causes. */
function chain(error: unknown): Fields[] {
  const found: Fields[] = [];
  for (
    let one = error;
    typeof one === "object" && one !== null && found.length < maxDepth;
    one = (one as Fields).cause
  ) {
    found.push(one as Fields);
  }
  return found;
}

/** Node makes its codes of OpenSSL's reasons, but for an error of a write. */
function codeOf(error: Fields): string {
  const reason = error.code === "EPROTO" && opensslReason(error);
  return reason ? `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}` : String(error.code);
}

/** What OpenSSL says, without addresses and source files around it. */
function opensslReason(error: Fields | undefined): string | undefined {
  return /:SSL routines:[^:]*:([^:]+):/.exec(String(error?.message))?.[1];
}

/** Addresses without query and fragment, which may hold a secret. */
function withoutQueries(text: string): string {
  return text.replace(/(\bhttps?:\/\/[^\s?#"'<>]+)[?#][^\s"'<>)]*/gi, "$1");
}
