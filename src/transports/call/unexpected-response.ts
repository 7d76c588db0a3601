import { Code, ConnectError } from "@connectrpc/connect";

/** An HTTP response that is not what the protocol allows: most often a proxy's, not ZITADEL's. */
export interface UnexpectedResponse {
  status: number;
  headers: Headers;
  /** Its first characters, as far as they were read. */
  body: string;
  /** What was expected: "gRPC-web". */
  expected: string;
  /** What may get through where that is refused. */
  alternative?: string | undefined;
  /** What is wrong with it, where status and content type do not say. */
  problem?: string | undefined;
}

/** Said of every failure after which the server may have done the work. */
export const unknownOutcome = "Whether the call was carried out is not known.";

const shownCharacters = 120;

/**
 * The error for it: the code by the gRPC mapping of HTTP statuses
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and a message with what
 * came back and what is probably in the way.
 */
export function unexpectedResponse(answer: UnexpectedResponse): ConnectError {
  const { status, headers, expected, problem } = answer;
  const [code, cause] = meaning(answer);
  const start = answer.body.replace(/[\s\p{Cc}]+/gu, " ").trim();
  const shown = start.length > shownCharacters ? `${start.slice(0, shownCharacters)}…` : start;
  return new ConnectError(
    `got HTTP ${status} with ${headers.get("content-type") ?? "no content type"} where ${expected} was expected${problem ? ` (${problem})` : ""}${shown ? `: ${JSON.stringify(shown)}` : ", and no text"}. ${cause}`,
    code,
    headers,
  );
}

/** A redirect is an error: following it would hand the token to wherever it leads. */
export function refusedRedirect(response: Response): ConnectError {
  const location = response.headers.get("location");
  let target = "";
  try {
    target = location === null ? "" : ` to ${new URL(location, response.url || undefined).host}`;
  } catch {
    // It leads nowhere that can be named.
  }
  return new ConnectError(
    `HTTP ${response.status} is a redirect${target}, which is not followed with the token. Check baseUrl: is it https, and ZITADEL's own host?`,
    Code.Unknown,
    response.headers,
  );
}

/** The code for an HTTP status, and what is probably the cause. */
function meaning({ status, expected, alternative = "" }: UnexpectedResponse): [Code, string] {
  switch (status) {
    case 401:
      return [Code.Unauthenticated, `A proxy or firewall may block ${expected}${alternative}.`];
    case 403:
      return [Code.PermissionDenied, `A proxy or firewall may block ${expected}${alternative}.`];
    case 429:
      return [Code.Unavailable, "Too many requests: slow down."];
    case 502:
    case 503:
    case 504:
      return [Code.Unavailable, `A proxy could not reach ZITADEL. ${unknownOutcome}`];
    default:
      return [
        status === 404 ? Code.Unimplemented : status === 400 ? Code.Internal : Code.Unknown,
        `Check baseUrl: another server, or a proxy that does not know ${expected}, responded.`,
      ];
  }
}
