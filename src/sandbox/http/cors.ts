import type { Instance } from "../model/instance.js";
import type { HttpRequest, HttpResponse } from "./http.js";

/** What a preflight may ask for, from every origin that the instance allows, with credentials. */
export interface CorsPolicy {
  readonly methods: readonly string[];
  /** Request headers, in lower case. */
  readonly headers: readonly string[];
  readonly maxAgeSeconds?: number;
}

/** The request headers that every policy of ZITADEL allows. */
export const clientHeaders: readonly string[] = [
  "origin",
  "content-type",
  "accept",
  "accept-language",
  "authorization",
  "x-zitadel-orgid",
  "x-user-agent",
  "x-grpc-web",
];

/** The policy of the JSON routes and of the OAuth endpoints. */
export const apiCors: CorsPolicy = {
  methods: ["OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  headers: [
    ...clientHeaders,
    "x-requested-with",
    "connect-protocol-version",
    "connect-timeout-ms",
    "grpc-timeout",
  ],
};

/** What pages may read of the responses to those. */
const exposedHeaders =
  "Location, Content-Length, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin";

export function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === "OPTIONS" && (headers["access-control-request-method"] ?? "") !== "";
}

/**
 * Responds to a preflight. The response to a rejected one differs only in that all `access-control-` headers
 * are missing. https://fetch.spec.whatwg.org/#cors-preflight-fetch
 */
export function preflightResponse(
  instance: Instance,
  { headers }: HttpRequest,
  policy: CorsPolicy,
): HttpResponse {
  const {
    origin = "",
    "access-control-request-method": method = "",
    "access-control-request-headers": names = "",
  } = headers;
  const allowed =
    origin !== "" &&
    instance.allowsOrigin(origin) &&
    (policy.methods.includes(method) || method === "OPTIONS") &&
    names
      .split(",")
      .map((name) => name.trim().toLowerCase())
      .every((name) => name === "" || policy.headers.includes(name));
  const { maxAgeSeconds } = policy;
  return {
    status: 204,
    headers: {
      vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
      ...(allowed && {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": method,
        ...(names !== "" && { "access-control-allow-headers": names }),
        "access-control-allow-credentials": "true",
        ...(maxAgeSeconds && { "access-control-max-age": String(maxAgeSeconds) }),
      }),
    },
  };
}

/** The headers of a response that is not a preflight's. */
export function corsHeaders(
  instance: Instance,
  { headers: { origin = "" } }: HttpRequest,
  exposed = exposedHeaders,
): Record<string, string> {
  return {
    vary: "Origin",
    ...(origin !== "" &&
      instance.allowsOrigin(origin) && {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        ...(exposed !== "" && { "access-control-expose-headers": exposed }),
      }),
  };
}
