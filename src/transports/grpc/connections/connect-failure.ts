import { Code, ConnectError } from "@connectrpc/connect";
import { markNotProcessed } from "../../../errors/not-processed.js";
import { tlsFailure } from "./tls-failure.js";

/**
 * The error of calls for which no connection could be made: `Unavailable`, as in every gRPC client,
 * with what the platform said as cause.
 */
export function connectFailure(origin: string, reason: Error | undefined): ConnectError {
  return markNotProcessed(
    new ConnectError(
      `cannot connect to ${origin}: ${describe(reason)}`,
      Code.Unavailable,
      undefined,
      undefined,
      reason,
    ),
  );
}

function describe(reason: Error | undefined): string {
  if (reason === undefined) {
    return "the server closed the connection before it was open; does it speak HTTP/2 on this port?";
  }
  const code = "code" in reason ? String(reason.code) : "";
  if (code === "ERR_HTTP2_ERROR" || code.startsWith("HPE_")) {
    return `the answer is not HTTP/2 (${reason.message}); gRPC needs it from end to end, while gRPC-web and JSON do without`;
  }
  const failure = tlsFailure(reason);
  if (failure !== undefined) {
    return failure;
  }
  if (reason instanceof AggregateError) {
    // One error for each address that the name has.
    const messages = reason.errors.map((error) => (error instanceof Error ? error.message : error));
    return messages.join(", ");
  }
  return reason.message;
}
