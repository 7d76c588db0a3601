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

  translated(text: string): RpcError {
    return new RpcError(this.code, text, this.id);
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

/**
 * Percent-encodes everything except printable ASCII, and the percent sign, as `Percent-Byte` of the gRPC
 * document.
 */
function percentEncode(message: string): string {
  let encoded = "";
  for (const byte of Buffer.from(message)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** The errors of ZITADEL's commands, by their names there. */
export type MessageKey =
  | "Errors.Instance.NotFound"
  | "Errors.UserGrant.NotFound"
  | "Errors.UserGrant.NotActive"
  | "Errors.UserGrant.NotInactive"
  | "Errors.UserGrant.AlreadyExists"
  | "Errors.User.NotFound"
  | "Errors.Project.NotFound"
  | "Errors.Project.Grant.NotFound"
  | "Errors.Project.Role.NotFound"
  | "Errors.UserGrant.IDMissing"
  | "Errors.UserGrant.NoPermissionForProject";

const english: Record<MessageKey, string> = {
  "Errors.Instance.NotFound":
    "Instance not found. Make sure you got the domain right. Check out https://zitadel.com/docs/apis/introduction#domains",
  "Errors.UserGrant.NotFound": "User grant not found",
  "Errors.UserGrant.NotActive": "User grant is not active",
  "Errors.UserGrant.NotInactive": "User grant is not deactivated",
  "Errors.UserGrant.AlreadyExists": "User grant already exists",
  "Errors.User.NotFound": "User could not be found",
  "Errors.Project.NotFound": "Project not found",
  "Errors.Project.Grant.NotFound": "Project Grant not found",
  // Has no text in any language: ZITADEL sends the name.
  "Errors.Project.Role.NotFound": "Errors.Project.Role.NotFound",
  "Errors.UserGrant.IDMissing": "Id missing",
  "Errors.UserGrant.NoPermissionForProject": "User has no permissions on this project",
};

const german: Record<MessageKey, string> = {
  "Errors.Instance.NotFound":
    "Instanz nicht gefunden. Stelle sicher, dass Du die richtige Domain hast. Schau unter https://zitadel.com/docs/apis/introduction#domains",
  "Errors.UserGrant.NotFound": "Benutzer Berechtigung konnte nicht gefunden werden",
  "Errors.UserGrant.NotActive": "Benutzer Berechtigung ist nicht aktiv",
  "Errors.UserGrant.NotInactive": "Benutzer Berechtigung ist nicht deaktiviert",
  "Errors.UserGrant.AlreadyExists": "Benutzer Berechtigung existiert bereits",
  "Errors.User.NotFound": "Benutzer konnte nicht gefunden werden",
  "Errors.Project.NotFound": "Project konnte nicht gefunden werden",
  "Errors.Project.Grant.NotFound": "Project Grant konnte nicht gefunden werden",
  "Errors.Project.Role.NotFound": "Errors.Project.Role.NotFound",
  "Errors.UserGrant.IDMissing": "ID fehlt",
  "Errors.UserGrant.NoPermissionForProject": "Benutzer hat keine Rechte auf diesem Projekt",
};

const translations: Record<string, Record<MessageKey, string>> = { en: english, de: german };

/** The message in the first supported language of the list, else in English. */
export function translate(key: MessageKey, languages: readonly string[]): string {
  for (const language of languages) {
    const messages = translations[language.split("-")[0] ?? ""];
    if (messages !== undefined) {
      return messages[key];
    }
  }
  return english[key];
}

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
