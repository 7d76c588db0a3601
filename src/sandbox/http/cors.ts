import type { Instance } from "../model/instance.js";
import { type HttpRequest, type HttpResponse, headerOf } from "./http.js";

/** The requests that are allowed from other origins, with credentials. */
export interface CorsPolicy {
  readonly methods: readonly string[];
  /** Request headers that a preflight may name, in lower case. */
  readonly headers: readonly string[];
  /** Response headers that a page may read besides the safelisted ones. */
  readonly exposed: readonly string[];
  readonly maxAgeSeconds: number | undefined;
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
  exposed: ["Location", "Content-Length", "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"],
  maxAgeSeconds: undefined,
};

export function isPreflight(request: HttpRequest): boolean {
  return (
    request.method === "OPTIONS" &&
    (headerOf(request, "access-control-request-method") ?? "") !== ""
  );
}

/**
 * Responds to a preflight. The response to a rejected one differs only in that all `access-control-` headers
 * are missing. https://fetch.spec.whatwg.org/#cors-preflight-fetch
 */
export function preflightResponse(
  instance: Instance,
  request: HttpRequest,
  policy: CorsPolicy,
): HttpResponse {
  const headers: Record<string, string> = {
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  };
  const origin = headerOf(request, "origin") ?? "";
  const method = headerOf(request, "access-control-request-method") ?? "";
  const names = [request.headers["access-control-request-headers"] ?? ""].flat().join(",");
  const methodAllowed = policy.methods.includes(method) || method === "OPTIONS";
  const allowed = instance.allowsOrigin(origin) && methodAllowed && allowsHeaders(names, policy);
  if (origin !== "" && allowed) {
    headers["access-control-allow-origin"] = origin;
    headers["access-control-allow-methods"] = method;
    if (names !== "") {
      headers["access-control-allow-headers"] = names;
    }
    headers["access-control-allow-credentials"] = "true";
    if (policy.maxAgeSeconds !== undefined) {
      headers["access-control-max-age"] = String(policy.maxAgeSeconds);
    }
  }
  return { status: 204, headers };
}

/** The headers of a response that is not a preflight's. */
export function corsHeaders(
  instance: Instance,
  request: HttpRequest,
  policy: CorsPolicy,
): Record<string, string> {
  const origin = headerOf(request, "origin") ?? "";
  if (origin === "" || !instance.allowsOrigin(origin)) {
    return { vary: "Origin" };
  }
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    ...(policy.exposed.length > 0
      ? { "access-control-expose-headers": policy.exposed.join(", ") }
      : {}),
  };
}

function allowsHeaders(list: string, policy: CorsPolicy): boolean {
  return list
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .every((name) => name === "" || policy.headers.includes(name));
}

/** Whether an origin is one of this machine's own. */
export function isLoopbackOrigin(origin: string): boolean {
  const host = URL.canParse(origin) ? new URL(origin).hostname : "";
  return /^(.+\.)?localhost$/.test(host) || /^127(\.\d{1,3}){3}$/.test(host) || host === "[::1]";
}
