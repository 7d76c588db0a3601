/**
 * What is known of the errors of platforms (Node, undici, Deno, Bun, OpenSSL), by type and code. An error that
 * is not in the table says nothing about whether a request was sent.
 */

/** A kind of failure. */
interface Kind {
  /** Codes: of the system, of Node, of OpenSSL without their prefixes, of Bun, and our own. */
  readonly codes: RegExp;
  /** What to do about it. */
  readonly advice?: string;
  /** Whether the server's application got no request. */
  readonly neverSent: boolean;
  /** Whether no retry mends it. */
  readonly permanent: boolean;
  /** Whether it is about the server's certificate. */
  readonly certificate?: true;
  /** Whether the server rejects the client's certificate, which it may do within a session (TLS 1.3). */
  readonly clientCertificate?: true;
}

const unsent = { neverSent: true, permanent: true };
const invalidCertificate = { ...unsent, certificate: true } as const;

const wantsCertificate =
  "The server may ask for a client certificate: set nodeOptions.cert and nodeOptions.key";

const kinds: readonly Kind[] = [
  {
    codes: /^(?:CERT|CRL)_HAS_EXPIRED$/,
    advice: "The server's certificate has to be renewed, or this machine's clock is wrong",
    ...invalidCertificate,
  },
  {
    codes: /^(?:CERT|CRL)_NOT_YET_VALID$/,
    advice: "This machine's clock may be wrong",
    ...invalidCertificate,
  },
  {
    codes: /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    advice:
      "The certificate is for another name: set baseUrl to one that it has, or nodeOptions.servername to the name it must have",
    ...invalidCertificate,
  },
  {
    codes: /SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/,
    advice:
      "Trust the authority that signed the certificate: set nodeOptions.ca, or NODE_EXTRA_CA_CERTS for the whole program",
    ...invalidCertificate,
  },
  {
    codes:
      /^(?:UNABLE_TO_(?:GET|DECODE|DECRYPT)_\w+|(?:CERT|CRL)_(?:SIGNATURE_FAILURE|CHAIN_TOO_LONG|REVOKED|UNTRUSTED|REJECTED)|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$/,
    ...invalidCertificate,
  },
  {
    codes: /ALERT_CERTIFICATE_REQUIRED$/,
    advice: wantsCertificate,
    clientCertificate: true,
    ...unsent,
  },
  { codes: /ALERT_HANDSHAKE_FAILURE$/, advice: wantsCertificate, ...unsent },
  {
    codes:
      /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED))$/,
    advice: "The server does not trust the client certificate of nodeOptions.cert",
    clientCertificate: true,
    ...unsent,
  },
  {
    codes: /ALERT_NO_APPLICATION_PROTOCOL$/,
    advice:
      "The server does not speak HTTP/2 on this port, which gRPC needs; gRPC-web and JSON do without",
    ...unsent,
  },
  {
    codes: /^(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/,
    advice: "The server does not speak TLS on this port: is it http:// instead of https://?",
    ...unsent,
  },
  {
    codes:
      /ALERT_(?:PROTOCOL_VERSION|INSUFFICIENT_SECURITY)$|UNRECOGNIZED_NAME$|^(?:UNSUPPORTED_PROTOCOL|NO_(?:CIPHERS|PROTOCOLS)_AVAILABLE|(?:DH|EE)_KEY_TOO_SMALL)$/,
    ...unsent,
  },
  // Ours: the proxy that the environment names, and a response that is not HTTP/2 (see transports/grpc/).
  { codes: /^ERR_PROXY_(?:SETTING|CREDENTIALS)$/, ...unsent },
  { codes: /^ERR_PROXY_REFUSED$/, neverSent: true, permanent: false },
  {
    codes: /^ERR_NO_HTTP2$/,
    advice: "gRPC needs it from end to end, while gRPC-web and JSON do without",
    ...unsent,
  },
  // No address: the code is the same for a name that does not exist in Node and Bun.
  { codes: /^ENOTFOUND$/, ...unsent },
  {
    codes: /^(?:EAI_\w+|UND_ERR_CONNECT_TIMEOUT|ConnectionRefused|FailedToOpenSocket)$/,
    neverSent: true,
    permanent: false,
  },
];

/** Node's system calls before there is a connection: `read ECONNREFUSED` comes from one that carried the request. */
const beforeConnection = /^(?:connect|getaddrinfo|query\w+)$/;

/** The reasons of OpenSSL in an error EPROTO of a write, where Node has the code in its text alone. */
const opensslReasons: Readonly<Record<string, string>> = {
  "0A0000C6": "PACKET_LENGTH_TOO_LONG",
  "0A00010B": "WRONG_VERSION_NUMBER",
  "0A000102": "UNSUPPORTED_PROTOCOL",
  "0A000410": "ALERT_HANDSHAKE_FAILURE",
  "0A00042E": "ALERT_PROTOCOL_VERSION",
  "0A00042F": "ALERT_INSUFFICIENT_SECURITY",
  "0A000458": "UNRECOGNIZED_NAME",
  "0A000460": "ALERT_NO_APPLICATION_PROTOCOL",
  "0A000412": "ALERT_BAD_CERTIFICATE",
  "0A000413": "ALERT_UNSUPPORTED_CERTIFICATE",
  "0A000414": "ALERT_CERTIFICATE_REVOKED",
  "0A000415": "ALERT_CERTIFICATE_EXPIRED",
  "0A000416": "ALERT_CERTIFICATE_UNKNOWN",
  "0A000418": "ALERT_UNKNOWN_CA",
  "0A00045C": "ALERT_CERTIFICATE_REQUIRED",
};

type Fields = Readonly<Record<string, unknown>>;

/** The depth of nested causes that is read. */
const maxDepth = 8;

/**
 * Whether an error says that the server's application got no request: no address, no connection, no TLS session,
 * a client certificate that the server rejects before it has responded, a proxy that opens no tunnel.
 *
 * @param error what a `fetch` or a socket failed with, before any byte of a response.
 */
export function neverSent(error: unknown): boolean {
  return some(error, (one, kind) => kind?.neverSent ?? beforeConnection.test(String(one.syscall)));
}

/**
 * Whether no retry mends a failure: an invalid certificate, a name that does not exist, a proxy that is set
 * wrongly or wants credentials, a server without HTTP/2. False for what is not known.
 */
export function isPermanent(error: unknown): boolean {
  return some(error, (_, kind) => kind?.permanent === true);
}

/** Whether the certificate of the server is not valid for this client. */
export function isCertificateProblem(error: unknown): boolean {
  return some(error, (_, kind) => kind?.certificate === true);
}

/** Whether the server rejects the client's certificate: it has processed nothing of this connection. */
export function rejectsClientCertificate(error: unknown): boolean {
  return some(error, (_, kind) => kind?.clientCertificate === true);
}

/**
 * Whether what a `fetch` threw can be a failure of the network, and not a mistake in a program's own `fetch`:
 * platforms throw a TypeError with a cause, or one of these texts.
 */
export function isNetworkFailure(error: unknown): boolean {
  if (!(error instanceof Error)) {
    return false;
  }
  return error instanceof TypeError
    ? error.cause !== undefined ||
        /^(?:fetch failed|failed to fetch|load failed|network ?(?:error|request|connection)|error sending request)/i.test(
          error.message,
        )
    : !(
        error instanceof ReferenceError ||
        error instanceof SyntaxError ||
        error instanceof RangeError
      );
}

/** One line about a failure: what the platform says, and what to do about it. */
export function describeFailure(error: unknown): string {
  const errors = chain(error);
  // "fetch failed", with the reason as its cause.
  const telling = errors.find((one) => !(one instanceof TypeError && one.cause)) ?? errors[0];
  const { errors: several, message, code } = telling ?? {};
  // OpenSSL's text has addresses and source files around the message.
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(String(message)) ?? [];
  const each = Array.isArray(several)
    ? several.map((one: Fields | null) => one?.message || one?.code)
    : [];
  const said = message || [...new Set(each)].join(", ") || code || error;
  const text = reason ?? withoutQueries(String(said));
  const advice = errors.map((one) => kindOf(one)?.advice).find(Boolean);
  return advice === undefined || text.includes(advice) ? text : `${text}. ${advice}`;
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
  const { name, code, syscall, cause, errors } = reason as Error & Fields;
  const inner = plainCause(cause, mask, depth + 1);
  const each =
    Array.isArray(errors) && depth < maxDepth
      ? errors.slice(0, maxDepth).map((error) => plainCause(error, mask, maxDepth))
      : undefined;
  const message = clean(reason.message || (each ? describeFailure(reason) : ""));
  const plain = new Error(message, inner === undefined ? undefined : { cause: inner });
  plain.name = clean(name);
  plain.stack = `${plain.name}: ${message}`;
  for (const property of ["name", "stack"]) {
    Object.defineProperty(plain, property, { enumerable: false });
  }
  return Object.assign(
    plain,
    typeof code === "string" && { code: clean(code) },
    typeof code === "number" && { code },
    typeof syscall === "string" && { syscall: clean(syscall) },
    each && { errors: each },
  );
}

/** Whether one of an error and its causes matches; for several errors of one attempt, each of them must. */
function some(
  error: unknown,
  matches: (error: Fields, kind: Kind | undefined) => boolean,
): boolean {
  const isMatch = (one: Fields) => matches(one, kindOf(one));
  return chain(error).some(
    (one) =>
      isMatch(one) ||
      (Array.isArray(one.errors) &&
        one.errors.length > 0 &&
        one.errors.every((each) => chain(each).some(isMatch))),
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

function kindOf(error: Fields | undefined): Kind | undefined {
  const { code, message } = error ?? {};
  const [, hex = ""] = code === "EPROTO" ? (/error:([\dA-F]{8}):/.exec(String(message)) ?? []) : [];
  const name = opensslReasons[hex] ?? String(code).replace(/^ERR_SSL_/, "");
  return kinds.find(({ codes }) => codes.test(name));
}

/** Addresses without query and fragment, which may hold a secret. */
function withoutQueries(text: string): string {
  return text.replace(/(\bhttps?:\/\/[^\s?#"'<>]+)[?#][^\s"'<>)]*/gi, "$1");
}
