import { Code, ConnectError } from "@connectrpc/connect";
import { causedBy } from "../../errors/certainty.js";
import { describeFailure, hasCode, isPermanent } from "../../errors/failure.js";

/** Why a connection could not be made. */
export interface ConnectFailure {
  /** Creates the error of a call that waited for the connection. */
  error: () => ConnectError;
  /** Whether a retry cannot help: the server has an invalid certificate, or no HTTP/2. */
  isPermanent: boolean;
}

/**
 * The failure to connect, from the platform's error. The errors of calls are `Unavailable`, as in every gRPC
 * client, or `InvalidArgument` for an option that Node rejects, with the platform's error as cause.
 */
export function connectFailure(origin: string, error: Error | undefined): ConnectFailure {
  const isHttp1 = /^(?:ERR_HTTP2_ERROR$|HPE_)/.test(codeOf(error));
  const reason = error && isHttp1 ? withoutHttp2(error) : error;
  const why =
    reason === undefined
      ? "the server closed the connection before it was open; does it speak HTTP/2 on this port?"
      : explainFailure(reason);
  const isOption = /^ERR_(?:PROXY_SETTING$|INVALID_|OSSL_)/.test(codeOf(reason));
  const message = isOption ? why : `cannot connect to ${origin}: ${why}`;
  const code = isOption ? Code.InvalidArgument : Code.Unavailable;
  return {
    // A name may appear: that a call waits for it does no harm.
    isPermanent: (isOption || isPermanent(reason)) && codeOf(reason) !== "ENOTFOUND",
    error: () => causedBy(reason, message, code),
  };
}

/** The failure of a connection that the server closed before it had carried a response. */
export function unservedFailure(origin: string): ConnectFailure {
  const message = `the server ended the connection to ${origin} before it had served a call`;
  return {
    isPermanent: false,
    error: () => new ConnectError(message, Code.Unavailable),
  };
}

function withoutHttp2(cause: Error): Error {
  const error = new Error(`the response is not HTTP/2 (${cause.message})`, { cause });
  return Object.assign(error, { code: "ERR_NO_HTTP2" });
}

function codeOf(reason: object | undefined): string {
  return String((reason as { code?: unknown } | undefined)?.code);
}

/** One line about a failure: what the platform says, and what to do about it. */
export function explainFailure(error: unknown): string {
  const text = describeFailure(error);
  const [, advice] = advices.find(([codes]) => hasCode(error, codes)) ?? [];
  return advice === undefined || text.includes(advice) ? text : `${text}. ${advice}`;
}

/** By the codes of Node and OpenSSL, and our own. */
const advices: readonly (readonly [codes: RegExp, advice: string])[] = [
  [/_HAS_EXPIRED$/, "The server's certificate has to be renewed, or this machine's clock is wrong"],
  [/_NOT_YET_VALID$/, "This machine's clock may be wrong"],
  [
    /ALTNAME_INVALID$|^HOSTNAME_MISMATCH$/,
    "The certificate is for another name: set baseUrl to one that it has, or nodeOptions.servername to the name it must have",
  ],
  [
    /SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/,
    "Trust the authority that signed the certificate: set nodeOptions.ca, or NODE_EXTRA_CA_CERTS for the whole program",
  ],
  [
    /ALERT_(?:CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/,
    "The server may ask for a client certificate: set nodeOptions.cert and nodeOptions.key",
  ],
  [
    /ALERT_(?:UNKNOWN_CA|\w+_CERTIFICATE|CERTIFICATE_\w+)$/,
    "The server does not trust the client certificate of nodeOptions.cert",
  ],
  [
    /ALERT_NO_APPLICATION_PROTOCOL$/,
    "The server does not speak HTTP/2 on this port, which gRPC needs; gRPC-web and JSON do without",
  ],
  [
    /WRONG_VERSION_NUMBER$|PACKET_LENGTH_TOO_LONG$|ERR_SSL_HTTP_REQUEST$/,
    "The server does not speak TLS on this port: is it http:// instead of https://?",
  ],
  [/^ERR_NO_HTTP2$/, "gRPC needs it from end to end, while gRPC-web and JSON do without"],
];

/** Error codes of HTTP/2. Not those of node:http2, which is not loaded before there is a connection. */
export const ResetCode = {
  NO_ERROR: 0x0,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  ENHANCE_YOUR_CALM: 0xb,
} as const;

/**
 * The names of all error codes (https://www.rfc-editor.org/rfc/rfc9113#section-7), and the status of a call whose
 * stream was reset with one before a status came
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors).
 */
const resets: readonly (readonly [name: string, status: Code])[] = [
  ["NO_ERROR", Code.Internal],
  ["PROTOCOL_ERROR", Code.Internal],
  ["INTERNAL_ERROR", Code.Internal],
  ["FLOW_CONTROL_ERROR", Code.Internal],
  ["SETTINGS_TIMEOUT", Code.Internal],
  ["STREAM_CLOSED", Code.Unknown],
  ["FRAME_SIZE_ERROR", Code.Internal],
  ["REFUSED_STREAM", Code.Unavailable],
  ["CANCEL", Code.Canceled],
  ["COMPRESSION_ERROR", Code.Internal],
  ["CONNECT_ERROR", Code.Internal],
  ["ENHANCE_YOUR_CALM", Code.ResourceExhausted],
  ["INADEQUATE_SECURITY", Code.PermissionDenied],
  ["HTTP_1_1_REQUIRED", Code.PermissionDenied],
];

/** The error of a call whose stream was reset before a status came. */
export function resetError(rstCode: number): ConnectError {
  const [name, status] = resets[rstCode] ?? ["unknown", Code.Unknown];
  return new ConnectError(
    `the stream was reset with HTTP/2 error code ${name} (0x${rstCode.toString(16)})`,
    status,
  );
}
