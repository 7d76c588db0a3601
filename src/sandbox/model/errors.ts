import { Code, ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import type { HttpRequest } from "../http/http.js";

/**
 * The error of an RPC. With an `id` it is one of ZITADEL's own: the status message is then the text with the
 * id in brackets, and the detail holds both separately. Without an `id`, it comes from the libraries that the
 * server is built with.
 */
export class RpcError extends Error {
  readonly code: Code;
  /** The message, without the id. */
  readonly text: string;
  readonly id: string | undefined;
  /** True for an error from before the interceptors, which add no headers to its response then. */
  readonly early: boolean;

  constructor(code: Code, text: string, id?: string, early = false) {
    super(id === undefined ? text : `${text} (${id})`);
    this.name = "RpcError";
    this.code = code;
    this.text = text;
    this.id = id;
    this.early = early;
  }
}

/** An error from before the interceptors: of the gRPC library, not of ZITADEL. */
export function earlyError(code: Code, message: string): RpcError {
  return new RpcError(code, message, undefined, true);
}

export function deadlineExceeded(early: boolean): RpcError {
  return new RpcError(Code.DeadlineExceeded, "context deadline exceeded", undefined, early);
}

/** The same error for Connect's functions that encode one. */
export function toConnectError({ code, message, text, id }: RpcError): ConnectError {
  const details =
    id === undefined ? [] : [{ desc: ErrorDetailSchema, value: { id, message: text } }];
  return new ConnectError(message, code, undefined, details);
}

/** The trailers with the outcome. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function statusTrailers(error: RpcError | undefined): Record<string, string> {
  const trailers = setTrailerStatus(new Headers(), error && toConnectError(error));
  if (error !== undefined) {
    // `Percent-Byte` of the gRPC document: everything except printable ASCII, and the percent sign.
    const escaped = error.message.toWellFormed().replace(/[^ -$&-~]/gu, encodeURIComponent);
    trailers.set("grpc-message", escaped);
  }
  return Object.fromEntries(trailers);
}

/** ZITADEL's own messages that have a text in German. It sends others, and those of its checks, as they are. */
const german: Readonly<Record<string, string>> = {
  "User grant not found": "Benutzer Berechtigung konnte nicht gefunden werden",
  "User grant is not active": "Benutzer Berechtigung ist nicht aktiv",
  "User grant is not deactivated": "Benutzer Berechtigung ist nicht deaktiviert",
  "User grant already exists": "Benutzer Berechtigung existiert bereits",
  "Id missing": "ID fehlt",
  "User has no permissions on this project": "Benutzer hat keine Rechte auf diesem Projekt",
  "User could not be found": "Benutzer konnte nicht gefunden werden",
  "Project not found": "Project konnte nicht gefunden werden",
  "Project Grant not found": "Project Grant konnte nicht gefunden werden",
};

/** The error in the language of the call: the user's own, or the first of the request that there is. */
export function translated(
  error: RpcError,
  preferredLanguage: string | undefined,
  { headers }: HttpRequest,
): RpcError {
  const tags = [preferredLanguage ?? "", ...acceptedLanguages(headers["accept-language"] ?? "")];
  const language = tags.map((tag) => tag.split("-")[0]).find((tag) => tag === "de" || tag === "en");
  const text = language === "de" ? german[error.text] : undefined;
  return text === undefined ? error : new RpcError(error.code, text, error.id);
}

/**
 * Language tags in lower case, the highest quality first, equal ones in the order given. An invalid header
 * counts as absent. RFC 9110, sections 12.4.2 and 12.5.4.
 */
function acceptedLanguages(header: string): string[] {
  const range =
    /^\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(\d+(?:\.\d*)?|\.\d+)\s*)?$/;
  const ranges = header
    .toLowerCase()
    .split(",")
    .map((each) => range.exec(each));
  return ranges.some((each) => each === null)
    ? []
    : ranges
        .map((each) => ({ tag: each?.[1] ?? "", quality: Number(each?.[2] ?? "1") }))
        .filter(({ quality }) => quality > 0)
        .sort((a, b) => b.quality - a.quality)
        .map(({ tag }) => tag);
}
