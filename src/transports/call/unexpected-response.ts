import { Code, ConnectError } from "@connectrpc/connect";
import { decidesHttp } from "../../errors/certainty.js";
import { markNotProcessed } from "../../errors/not-processed.js";

/** An HTTP response that violates the protocol: most often a proxy's, not ZITADEL's. */
export interface UnexpectedResponse {
  status: number;
  headers: Headers;
  /** The first characters of its body, if any were read: only a page's title is shown. */
  body: string;
  /** What was expected: "gRPC-web". */
  expected: string;
  /** An alternative that may work if this protocol is blocked. */
  alternative?: string | undefined;
  /** What is wrong with it, if status and content type do not show it. */
  problem?: string | undefined;
}

/** Part of the message of every failure after which the server may have processed the request. */
export const unknownOutcome = "Whether the call was carried out is not known.";

/**
 * The error for such a response: the code by the gRPC mapping of HTTP statuses
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and a message with the response
 * and its probable cause.
 */
export function unexpectedResponse(response: UnexpectedResponse): ConnectError {
  const { status, headers, expected, problem } = response;
  const [code, cause] = meaning(response);
  const error = new ConnectError(
    `got HTTP ${status} with ${page(response)} where ${expected} was expected${problem ? ` (${problem})` : ""}. ${cause}`,
    code,
    headers,
  );
  return decidesHttp(status) ? markNotProcessed(error) : error;
}

/** A page of a proxy may hold anything, so it is described and not quoted. */
function page({ headers, body }: UnexpectedResponse): string {
  const [, title] = /<title[^>]*>([^<]*)/i.exec(body) ?? [];
  const server = headers.get("server");
  return [
    oneLine(headers.get("content-type")) || "no content type",
    ...(server ? [`of the server ${JSON.stringify(oneLine(server))}`] : []),
    ...(title?.trim() ? [`titled ${JSON.stringify(oneLine(title))}`] : []),
    ...(body === "" ? ["without text"] : []),
  ].join(" ");
}

/** Short, and without the query of an address. */
function oneLine(text: string | null): string {
  const line = (text ?? "")
    .replace(/\?\S*/g, "")
    .replace(/[\s\p{C}]+/gu, " ")
    .trim();
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}

/** A redirect is an error: following it would send the token to its target. */
export function redirectError(response: Response): ConnectError {
  const location = response.headers.get("location");
  let target = "";
  try {
    target = location === null ? "" : ` to ${new URL(location, response.url || undefined).host}`;
  } catch {
    // The target of the redirect is not a valid URL.
  }
  const error = new ConnectError(
    `HTTP ${response.status} is a redirect${target}, which is not followed with the token. Check baseUrl: is it https, and ZITADEL's own host?`,
    Code.Unknown,
    response.headers,
  );
  // One that a `fetch` has followed was answered by its target.
  return response.redirected ? error : markNotProcessed(error);
}

/** The code for an HTTP status, and the probable cause. */
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
    case 431:
      return [
        Code.ResourceExhausted,
        "The header fields are too large, the largest of which is usually the token: one with fewer roles and scopes is smaller.",
      ];
    default:
      return [
        status === 404 ? Code.Unimplemented : status === 400 ? Code.Internal : Code.Unknown,
        `Check baseUrl: another server, or a proxy that does not know ${expected}, responded.`,
      ];
  }
}
