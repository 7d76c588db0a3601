import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import { ErrorDetailSchema } from "../../../gen/zitadel/message_pb.js";
import { type HttpRequest, headerOf } from "../http/http.js";

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

/** An error whose message is translated into the language of the call. */
export class CommandError extends Error {
  readonly code: Code;
  readonly key: MessageKey;
  readonly id: string;

  constructor(code: Code, key: MessageKey, id: string) {
    super(`${key} (${id})`);
    this.name = "CommandError";
    this.code = code;
    this.key = key;
    this.id = id;
  }

  /** In the first language of the list that there is, else in English. */
  translated(languages: readonly string[]): RpcError {
    const known = languages.map((tag) => ["en", "de"].indexOf(tag.split("-")[0] ?? ""));
    const language = known.find((index) => index >= 0) === 1 ? 1 : 0;
    return new RpcError(this.code, messages[this.key][language], this.id);
  }
}

/** An error from before the interceptors: of the gRPC library, not of ZITADEL. */
export function earlyError(code: Code, message: string): RpcError {
  return new RpcError(code, message, undefined, true);
}

export function deadlineExceeded(early: boolean): RpcError {
  return new RpcError(Code.DeadlineExceeded, "context deadline exceeded", undefined, early);
}

export const errorDetailTypeUrl = `type.googleapis.com/${ErrorDetailSchema.typeName}`;

/** The trailers with the outcome. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function statusTrailers(error: RpcError | undefined): Record<string, string> {
  if (error === undefined) {
    return { "grpc-status": "0" };
  }
  const trailers: Record<string, string> = { "grpc-status": String(error.code) };
  if (error.message !== "") {
    trailers["grpc-message"] = percentEncode(error.message);
  }
  if (error.id !== undefined) {
    trailers["grpc-status-details-bin"] = Buffer.from(statusBytes(error, error.id))
      .toString("base64")
      .replace(/=+$/, "");
  }
  return trailers;
}

/** A serialized google.rpc.Status: code = 1, message = 2, details (google.protobuf.Any) = 3. */
function statusBytes(error: RpcError, id: string): Uint8Array {
  const detail = create(ErrorDetailSchema, { id, message: error.text });
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(error.code)
    .tag(2, WireType.LengthDelimited)
    .string(error.message)
    .tag(3, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.LengthDelimited)
    .string(errorDetailTypeUrl)
    .tag(2, WireType.LengthDelimited)
    .bytes(toBinary(ErrorDetailSchema, detail))
    .join()
    .finish();
}

/** `Percent-Byte` of the gRPC document: everything except printable ASCII, and the percent sign. */
function percentEncode(message: string): string {
  return message.toWellFormed().replace(/[^ -$&-~]/gu, encodeURIComponent);
}

/** The errors of ZITADEL's commands by their names there, in English and in German. */
const messages = {
  "UserGrant.NotFound": [
    "User grant not found",
    "Benutzer Berechtigung konnte nicht gefunden werden",
  ],
  "UserGrant.NotActive": ["User grant is not active", "Benutzer Berechtigung ist nicht aktiv"],
  "UserGrant.NotInactive": [
    "User grant is not deactivated",
    "Benutzer Berechtigung ist nicht deaktiviert",
  ],
  "UserGrant.AlreadyExists": [
    "User grant already exists",
    "Benutzer Berechtigung existiert bereits",
  ],
  "UserGrant.IDMissing": ["Id missing", "ID fehlt"],
  "UserGrant.NoPermissionForProject": [
    "User has no permissions on this project",
    "Benutzer hat keine Rechte auf diesem Projekt",
  ],
  "User.NotFound": ["User could not be found", "Benutzer konnte nicht gefunden werden"],
  "Project.NotFound": ["Project not found", "Project konnte nicht gefunden werden"],
  "Project.Grant.NotFound": [
    "Project Grant not found",
    "Project Grant konnte nicht gefunden werden",
  ],
  // Has no text in any language: ZITADEL sends the name.
  "Project.Role.NotFound": ["Errors.Project.Role.NotFound", "Errors.Project.Role.NotFound"],
} as const;

export type MessageKey = keyof typeof messages;

/** The languages for a response, best first: the user's own, then those of the request. */
export function languagesOf(preferredLanguage: string | undefined, request: HttpRequest): string[] {
  const accepted = parseAcceptLanguage(headerOf(request, "accept-language") ?? "");
  return preferredLanguage === undefined ? accepted : [preferredLanguage, ...accepted];
}

/**
 * Language tags in lower case, the highest quality first, equal ones in the order given. An invalid header
 * counts as absent. RFC 9110, sections 12.4.2 and 12.5.4.
 */
function parseAcceptLanguage(header: string): string[] {
  const ranges: { tag: string; quality: number }[] = [];
  for (const range of header.toLowerCase().split(",")) {
    const [, tag, weight = "1"] =
      /^\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(\d+(?:\.\d*)?|\.\d+)\s*)?$/.exec(
        range,
      ) ?? [];
    if (tag === undefined) {
      return [];
    }
    if (Number(weight) > 0) {
      ranges.push({ tag, quality: Number(weight) });
    }
  }
  return ranges.sort((a, b) => b.quality - a.quality).map(({ tag }) => tag);
}
