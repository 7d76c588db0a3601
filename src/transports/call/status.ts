import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, base64Decode } from "@bufbuild/protobuf/wire";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { decided, decides, decidesHttp } from "../../errors/certainty.js";

const headerStatus = "grpc-status";
const headerMessage = "grpc-message";
const headerDetails = "grpc-status-details-bin";

/** What headers or trailers report about the outcome of a call. */
export interface Status {
  /** Whether there is a `grpc-status` at all. */
  found: boolean;
  /** The error, unless the status is 0. */
  error: ConnectError | undefined;
}

/**
 * Reads `grpc-status`, `grpc-message` and `grpc-status-details-bin`
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses).
 *
 * A malformed message or malformed details do not change the status. A malformed status is an error: only a
 * plain 0 means that the call succeeded.
 */
export function readStatus(fields: Headers): Status {
  const text = fields.get(headerStatus);
  if (text === null) {
    return { found: false, error: undefined };
  }
  const details = readDetails(fields);
  if (text === "0" && details === undefined) {
    return { found: true, error: undefined };
  }
  const code = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (!(code in Code)) {
    return {
      found: true,
      error: wireError(
        new ConnectError(
          `${headerStatus} is ${JSON.stringify(text.slice(0, 80))}${details ? `, with details of ${details.code}` : ""}`,
          Code.Internal,
          fields,
        ),
      ),
    };
  }
  const error = new ConnectError(
    details?.code === code ? details.message : percentDecode(fields.get(headerMessage) ?? ""),
    code,
    fields,
  );
  // Details with another status do not belong to this one.
  if (details?.code === code) {
    error.details = details.details;
  }
  return { found: true, error: wireError(decides(code) ? decided(error, "rejected") : error) };
}

/** A `google.rpc.Status` (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto). */
interface RpcStatus {
  code: number;
  message: string;
  details: { type: string; value: Uint8Array }[];
}

/** The status in the attached details, if it decodes and is an error. */
function readDetails(fields: Headers): RpcStatus | undefined {
  const value = fields.get(headerDetails);
  if (value === null) {
    return undefined;
  }
  const status: RpcStatus = { code: 0, message: "", details: [] };
  try {
    const reader = new BinaryReader(base64Decode(value));
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) {
        status.code = reader.int32();
      } else if (field === 2) {
        status.message = reader.string();
      } else if (field === 3) {
        const { typeUrl, value } = fromBinary(AnySchema, reader.bytes());
        status.details.push({ type: typeUrl.replace(/^.*\//, ""), value });
      } else {
        reader.skip(type, field);
      }
    }
  } catch {
    return undefined;
  }
  return status.code === 0 ? undefined : status;
}

function wireError(error: ConnectError): ConnectError {
  error.isWireError = true;
  return error;
}

/** Percent-decodes a message; invalid escapes are kept, and invalid UTF-8 is replaced. */
function percentDecode(message: string): string {
  return message.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    new TextDecoder().decode(
      Uint8Array.from(escapes.slice(1).split("%"), (hex) => Number.parseInt(hex, 16)),
    ),
  );
}

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

/**
 * The error for such a response: the code by the gRPC mapping of HTTP statuses
 * (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), and a message with the response
 * and its probable cause.
 */
export function unexpectedResponse(response: UnexpectedResponse): ConnectError {
  const { status, headers, expected, problem } = response;
  const error = new ConnectError(
    `got HTTP ${status} with ${page(response)} where ${expected} was expected${problem ? ` (${problem})` : ""}. ${hint(response)}`,
    codes[status] ?? Code.Unknown,
    headers,
  );
  return decidesHttp(status) ? decided(error, "rejected") : error;
}

/** A page of a proxy may hold anything, so it is described and not quoted. */
function page({ headers, body }: UnexpectedResponse): string {
  // Whatever a page holds, each character is looked at once: no expression here may start over and over again.
  const [, title] = /<title[^<>]*>([^<]*)/i.exec(body) ?? [];
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
    `HTTP ${response.status} is a redirect${target}, which is not followed with the token. Check baseUrl: https, and ZITADEL's own host`,
    Code.Unknown,
    response.headers,
  );
  // One that a `fetch` has followed was answered by its target. In browsers, none has a status.
  return response.type === "opaqueredirect" ||
    (decidesHttp(response.status) && !response.redirected)
    ? decided(error, "rejected")
    : error;
}

const codes: Readonly<Record<number, Code>> = {
  400: Code.Internal,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.Unimplemented,
  429: Code.Unavailable,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.Unavailable,
};

/** The probable cause. */
function hint({ status, expected, alternative = "" }: UnexpectedResponse): string {
  switch (status) {
    case 401:
    case 403:
      return `A proxy or firewall may block ${expected}${alternative}.`;
    case 413:
      return "A proxy takes no request as large as this: bulk runs have batchSize.";
    case 429:
      return "Too many requests: slow down.";
    case 431:
      return "The header fields are too large, usually for the token: one with fewer roles and scopes is smaller.";
    case 502:
    case 503:
    case 504:
      return "A proxy could not reach ZITADEL.";
    default:
      return `Check baseUrl: another server, or a proxy that does not know ${expected}, responded.`;
  }
}
