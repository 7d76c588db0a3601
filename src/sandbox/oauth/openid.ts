import { randomBytes } from "node:crypto";
import { actualCorsHeaders, apiCors } from "../http/cors.js";
import { type HttpRequest, type HttpResponse, plainTextError, type Route } from "../http/http.js";
import { RpcError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { checkInstance } from "../model/instance-host.js";

/** Whether a path belongs to the OAuth and OpenID Connect endpoints. */
export function isOpenIdPath(path: string): boolean {
  return /^\/(oauth|oidc|\.well-known)\//.test(path);
}

/** Rejects OpenID Connect requests to a host that is not a domain of the instance; handles no others. */
export function openIdInstanceRoute(instance: Instance): Route {
  return (request) => {
    if (!isOpenIdPath(request.path)) {
      return undefined;
    }
    try {
      checkInstance(instance, request);
      return undefined;
    } catch (error) {
      if (error instanceof RpcError) {
        return plainTextError(404, error.message);
      }
      throw error;
    }
  };
}

/** A JSON response of the OpenID Connect endpoints. */
export function openIdResponse(
  instance: Instance,
  request: HttpRequest,
  status: number,
  value: Readonly<Record<string, unknown>>,
): HttpResponse {
  const agent = randomBytes(96).toString("base64url");
  return {
    status,
    headers: {
      ...actualCorsHeaders(request, apiCors),
      "cache-control": "no-store",
      "content-type": "application/json",
      // An hour ago: browsers must not cache it, whatever their clock shows.
      expires: new Date(instance.now() - 3_600_000).toUTCString(),
      pragma: "no-cache",
      "set-cookie": [
        `zitadel.useragent=${agent}; Path=/; Domain=${instance.hosts[0]}; Max-Age=31536000; HttpOnly; SameSite=Lax`,
      ],
      vary: "Origin, Cookie",
      ...instance.requestIdHeader(),
    },
    body: `${JSON.stringify(value)}\n`,
  };
}

/** An error of the OAuth endpoints. RFC 6749, section 5.2. */
export function openIdError(
  instance: Instance,
  request: HttpRequest,
  status: number,
  error: string,
  description: string,
): HttpResponse {
  return openIdResponse(instance, request, status, { error, error_description: description });
}
