import { Code, ConnectError } from "@connectrpc/connect";
import { describeFailure, isPermanent } from "../../../errors/failure.js";

/** Why a connection could not be made. */
export interface ConnectFailure {
  /** Creates the error of a call that waited for the connection. */
  error: () => ConnectError;
  /**
   * Whether a retry cannot help: the server has an invalid certificate, or no HTTP/2. The latter counts when
   * it happens twice in a row: a proxy may respond for a server that is about to start.
   */
  isPermanent: boolean | "when repeated";
}

/**
 * The failure to connect, from the platform's error. The errors of calls are `Unavailable`, as in every gRPC
 * client, with the platform's error as cause.
 */
export function connectFailure(origin: string, error: Error | undefined): ConnectFailure {
  const reason = error && isNotHttp2(error) ? withoutHttp2(error) : error;
  const why =
    reason === undefined
      ? "the server closed the connection before it was open; does it speak HTTP/2 on this port?"
      : describeFailure(reason);
  const message = `cannot connect to ${origin}: ${why}`;
  return {
    // A name may appear: that a call waits for it does no harm.
    isPermanent:
      isPermanent(reason) &&
      codeOf(reason) !== "ENOTFOUND" &&
      (codeOf(reason) !== "ERR_NO_HTTP2" || "when repeated"),
    error: () => new ConnectError(message, Code.Unavailable, undefined, undefined, reason),
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

function isNotHttp2(reason: Error): boolean {
  return /^(?:ERR_HTTP2_ERROR$|HPE_)/.test(codeOf(reason));
}

function withoutHttp2(cause: Error): Error {
  const error = new Error(`the response is not HTTP/2 (${cause.message})`, { cause });
  return Object.assign(error, { code: "ERR_NO_HTTP2" });
}

function codeOf(reason: object | undefined): string {
  return String((reason as { code?: unknown } | undefined)?.code);
}
