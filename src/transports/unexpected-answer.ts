import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-grpc";

/** An HTTP answer that is not what the protocol allows: most often a proxy's, not ZITADEL's. */
export interface UnexpectedAnswer {
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
  /** The code, where it is not that of the HTTP status: the answer began well. */
  code?: Code | undefined;
  /** The token of the request, so that an answer which echoes it does not carry it into the message. */
  authorization: string | null;
}

const shownCharacters = 120;

/**
 * The error for it: the code by the gRPC mapping of HTTP statuses
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and a message with what
 * came back and what is probably in the way.
 */
export function unexpectedAnswer(answer: UnexpectedAnswer): ConnectError {
  const { status, headers, expected, problem } = answer;
  const contentType = headers.get("content-type");
  const start = mask(answer.body, answer.authorization)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
  const shown = start.length > shownCharacters ? `${start.slice(0, shownCharacters)}…` : start;
  return new ConnectError(
    [
      `got HTTP ${status} with ${contentType ?? "no content type"} where ${expected} was expected${problem === undefined ? "" : ` (${problem})`}`,
      shown === "" ? ", and no text." : `: ${JSON.stringify(shown)}.`,
      ` ${cause(answer)}`,
    ].join(""),
    answer.code ?? (status === 200 ? Code.Unknown : codeFromHttpStatus(status)),
    headers,
  );
}

/** A redirect is an error: following it would hand the token to wherever it leads. */
export function refusedRedirect(response: Response): ConnectError {
  const location = response.headers.get("location");
  const target =
    location !== null && URL.canParse(location, response.url || undefined)
      ? new URL(location, response.url || undefined).host
      : undefined;
  return new ConnectError(
    `the answer (HTTP ${response.status}) is a redirect${target === undefined ? "" : ` to ${target}`}, which is not followed with the token. Is baseUrl ZITADEL's own address (https, the right host), or is a login page in between?`,
    Code.Unknown,
    response.headers,
  );
}

function cause({ status, code, expected, alternative = "" }: UnexpectedAnswer): string {
  if (code !== undefined) {
    return "Whether the call was carried out is not known.";
  }
  switch (status) {
    case 401:
    case 403:
      return `A proxy or firewall may refuse ${expected}${alternative}.`;
    case 404:
    case 405:
    case 415:
      return `The address may lead to another server, or through a proxy that does not know ${expected}: check baseUrl.`;
    case 429:
      return "Too many requests: wait, then go on slower.";
    case 502:
    case 503:
    case 504:
      return "A proxy could not reach ZITADEL. Whether the call was carried out is not known.";
    default:
      return "Something between this program and ZITADEL answered in its place: check baseUrl and proxies.";
  }
}

function mask(text: string, authorization: string | null): string {
  const token = authorization?.replace(/^\S+ /, "");
  return token ? text.replaceAll(token, "***") : text;
}
