import { Code } from "@connectrpc/connect";
import { type HttpRequest, headerOf } from "../http/http.js";
import { languagesOf, RpcError, translate } from "./errors.js";
import type { Instance } from "./instance.js";

/** The host that a request names. ZITADEL finds its instance by it. */
export interface Origin {
  readonly instanceHost: string;
  readonly publicHost: string;
  readonly protocol: string;
}

/**
 * The first of these headers that names a usable host decides, then `:authority` or `Host`:
 * `x-zitadel-instance-host`, `forwarded`, `x-zitadel-forwarded`, `x-forwarded-for` (read like
 * `forwarded`) and `x-forwarded-host`.
 */
function originOf(request: HttpRequest): Origin {
  const forwarded = ["forwarded", "x-zitadel-forwarded", "x-forwarded-for"].map((name) =>
    parseForwarded(headerOf(request, name)),
  );
  const hosts = [
    headerOf(request, "x-zitadel-instance-host"),
    ...forwarded.map((value) => value.host),
    headerOf(request, "x-forwarded-host"),
  ];
  const protocols = [
    ...forwarded.map((value) => value.proto),
    headerOf(request, "x-forwarded-proto"),
  ];
  return {
    instanceHost: hosts.find(isHost) ?? request.host,
    publicHost: [headerOf(request, "x-zitadel-public-host")].find(isHost) ?? "",
    protocol: protocols.find((value) => value === "http" || value === "https") ?? "http",
  };
}

/** @throws RpcError `NotFound` without a detail when the host is not a domain of the instance. */
export function checkInstance(instance: Instance, request: HttpRequest): void {
  const origin = originOf(request);
  if (!instance.hosts.includes(hostName(origin.instanceHost))) {
    const text = translate("Errors.Instance.NotFound", languagesOf(undefined, request));
    const cause = `ID=QUERY-1kIjX Message=${text}`;
    throw instanceError(
      instance,
      origin,
      Code.NotFound,
      instance.generation === "v4"
        ? cause
        : `${cause} Parent=(${notFoundByHost(origin)}: ID=QUERY-1kIjX Message=Errors.IAM.NotFound)`,
    );
  }
}

/** The error of the instance lookup when the deadline of the call passes during it. */
export function instanceLookupTimedOut(instance: Instance, request: HttpRequest): RpcError {
  const origin = originOf(request);
  const cause = "ID=QUERY-d3fas Message=An internal error occurred";
  return instance.generation === "v4"
    ? instanceError(instance, origin, Code.Internal, `${cause} Parent=(context deadline exceeded)`)
    : instanceError(
        instance,
        origin,
        Code.NotFound,
        `${cause} Parent=(${notFoundByHost(origin)}: ID=QUERY-d3fas Message=Errors.Internal Parent=(context deadline exceeded))`,
      );
}

function notFoundByHost({ instanceHost, publicHost }: Origin): string {
  return `unable to get instance by host: instanceHost ${instanceHost}, publicHost ${publicHost}`;
}

function instanceError(instance: Instance, origin: Origin, code: Code, cause: string): RpcError {
  const { instanceHost, publicHost, protocol } = origin;
  return new RpcError(
    code,
    `unable to set instance using origin &{${instanceHost} ${publicHost} ${protocol}} (ExternalDomain is ${instance.hosts[0]}): ${cause}`,
  );
}

function hostName(host: string): string {
  return host.split(":")[0] ?? "";
}

/** A host with an invalid port could be a trick (`localhost:@elsewhere`), so it counts as absent. */
function isHost(value: string | undefined): value is string {
  if (value === undefined || value === "") {
    return false;
  }
  const port = /:([^\]:]*)$/.exec(value)?.[1];
  return (
    port === undefined || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) < 65536)
  );
}

/** The first `host` and `proto` of a Forwarded header. RFC 7239, section 4. */
function parseForwarded(value: string | undefined): { host?: string; proto?: string } {
  const pairs: { host?: string; proto?: string } = {};
  for (const [, name = "", quoted, token] of (value ?? "").matchAll(
    /(host|proto)\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/gi,
  )) {
    const key = name.toLowerCase() === "host" ? "host" : "proto";
    pairs[key] ??= quoted ?? token ?? "";
  }
  return pairs;
}
