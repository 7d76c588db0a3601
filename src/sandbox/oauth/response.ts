import { randomBytes } from "node:crypto";
import { corsHeaders } from "../http/cors.js";
import { type HttpRequest, type HttpResponse, readBody } from "../http/http.js";
import { type Instance, requestIdHeader } from "../model/instance.js";

/** An error response of the OAuth endpoints: RFC 6749, section 5.2. */
export class OAuthError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/** A request of an OAuth endpoint, with the parameters of its body and its query. */
export interface OAuthRequest {
  readonly instance: Instance;
  readonly request: HttpRequest;
  readonly form: URLSearchParams;
}

/** The parameters of the query, and those of the body, which count for more. */
export async function readForm(request: HttpRequest): Promise<URLSearchParams> {
  const form = new URLSearchParams(request.query);
  const body = request.method === "POST" ? await readBody(request, 1_000_000) : undefined;
  for (const [name, value] of new URLSearchParams(body?.toString())) {
    form.set(name, value);
  }
  return form;
}

/** @throws OAuthError for a parameter that is missing or empty. */
export function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (!value) {
    throw new OAuthError("invalid_request", `${name} missing`);
  }
  return value;
}

/** The words of a scope parameter. */
export function scopesOf(form: URLSearchParams): string[] {
  return (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
}

/** The origin of the request: issuer and base of the endpoints. */
export function issuerOf(request: HttpRequest): string {
  return `http://${request.host}`;
}

/** A JSON response of the OAuth and OpenID Connect endpoints. */
export function openIdResponse(
  { instance, request }: Pick<OAuthRequest, "instance" | "request">,
  value: Readonly<Record<string, unknown>>,
  status = 200,
): HttpResponse {
  const agent = randomBytes(96).toString("base64url");
  return {
    status,
    headers: {
      ...corsHeaders(instance, request),
      "cache-control": "no-store",
      "content-type": "application/json",
      // An hour ago: browsers must not cache it, whatever their clock shows.
      expires: new Date(instance.now() - 3_600_000).toUTCString(),
      pragma: "no-cache",
      "set-cookie": `zitadel.useragent=${agent}; Path=/; Domain=${instance.hosts[0]}; Max-Age=31536000; HttpOnly; SameSite=Lax`,
      vary: "Origin, Cookie",
      ...requestIdHeader(instance),
    },
    body: `${JSON.stringify(value)}\n`,
  };
}

export function redirect(location: string): HttpResponse {
  return { status: 302, headers: { location, "cache-control": "no-store" } };
}
