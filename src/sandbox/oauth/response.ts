import type { HttpRequest, HttpResponse } from "../http/http.js";
import { readBody } from "../http/http.js";
import type { Instance } from "../model/instance.js";
import { openIdResponse } from "./openid.js";

/** An error response of the OAuth endpoints: RFC 6749, section 5.2. */
export class OAuthError extends Error {
  readonly status: number;
  readonly error: string;
  readonly description: string;

  constructor(status: number, error: string, description: string) {
    super(description);
    this.status = status;
    this.error = error;
    this.description = description;
  }
}

/** The origin of the request: issuer and base of the endpoints. */
export function issuerOf(request: HttpRequest): string {
  return `http://${request.host}`;
}

/** The parameters of the body, then those of the query. */
export async function readForm(request: HttpRequest): Promise<URLSearchParams> {
  const form = new URLSearchParams(request.query);
  const body = request.method === "POST" ? await readBody(request, 1_000_000) : undefined;
  for (const [name, value] of new URLSearchParams(Buffer.from(body ?? []).toString())) {
    form.set(name, value);
  }
  return form;
}

/** Runs a handler, and responds with its error if it throws one. */
export async function responding(
  instance: Instance,
  request: HttpRequest,
  run: () => Promise<HttpResponse> | HttpResponse,
): Promise<HttpResponse> {
  try {
    return await run();
  } catch (reason) {
    if (reason instanceof OAuthError) {
      return openIdResponse(instance, request, reason.status, {
        error: reason.error,
        error_description: reason.description,
      });
    }
    throw reason;
  }
}

export function redirect(location: string): HttpResponse {
  return { status: 302, headers: { location, "cache-control": "no-store" } };
}
