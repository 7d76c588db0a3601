import { type HttpRequest, headerOf } from "../http/http.js";

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
