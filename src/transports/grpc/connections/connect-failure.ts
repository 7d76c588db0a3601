import { Code, ConnectError } from "@connectrpc/connect";
import { markNotProcessed } from "../../../errors/not-processed.js";
import { tlsFailure } from "./tls-failure.js";

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
export function connectFailure(origin: string, reason: Error | undefined): ConnectFailure {
  return {
    isPermanent:
      reason !== undefined &&
      (tlsFailure(reason) !== undefined || (isNotHttp2(reason) && "when repeated")),
    error: () =>
      markNotProcessed(
        new ConnectError(
          `cannot connect to ${origin}: ${describe(reason)}`,
          Code.Unavailable,
          undefined,
          undefined,
          reason,
        ),
      ),
  };
}

/** The failure of a connection that the server closed before it had carried a response. */
export function unservedFailure(origin: string): ConnectFailure {
  const message = `the server ended the connection to ${origin} before it had served a call`;
  return {
    isPermanent: false,
    error: () => markNotProcessed(new ConnectError(message, Code.Unavailable)),
  };
}

function isNotHttp2(reason: Error): boolean {
  const code = "code" in reason ? String(reason.code) : "";
  return code === "ERR_HTTP2_ERROR" || code.startsWith("HPE_");
}

function describe(reason: Error | undefined): string {
  if (reason === undefined) {
    return "the server closed the connection before it was open; does it speak HTTP/2 on this port?";
  }
  if (isNotHttp2(reason)) {
    return `the response is not HTTP/2 (${reason.message}); gRPC needs it from end to end, while gRPC-web and JSON do without`;
  }
  const failure = tlsFailure(reason);
  if (failure !== undefined) {
    return failure;
  }
  if (reason instanceof AggregateError) {
    // One error for each address of the name.
    const messages = reason.errors.map((error) => (error instanceof Error ? error.message : error));
    return messages.join(", ");
  }
  return reason.message;
}
