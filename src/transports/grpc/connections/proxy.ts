import { BlockList, isIP } from "node:net";
import { isLoopback } from "../../../common/loopback.js";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for an origin: `HTTPS_PROXY` for `https:`, `HTTP_PROXY` for
 * `http:`, in capitals or not, unless `NO_PROXY` names the host. Cleartext to this machine never takes a
 * proxy.
 *
 * `NO_PROXY` is a list, separated by commas or spaces, of `*`, host names (which hold for what is below
 * them as well, with or without a dot or `*.` before), addresses and ranges of addresses like
 * `10.0.0.0/8`, each with `:port` where only one is meant.
 *
 * @throws TypeError when the variable holds no http or https URL; it may hold a password, and is not shown.
 */
export function proxyFor(origin: URL, variables: Variables): URL | undefined {
  const name = origin.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = read(variables, name);
  if (
    value === "" ||
    (origin.protocol === "http:" && isLoopback(origin.hostname)) ||
    isExcluded(origin, read(variables, "NO_PROXY"))
  ) {
    return undefined;
  }
  const text = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy === undefined || !/^https?:$/.test(proxy.protocol)) {
    throw new TypeError(
      `${name} must be the http or https URL of a proxy, such as "http://proxy.example.com:3128"`,
    );
  }
  return proxy;
}

function read(variables: Variables, name: string): string {
  try {
    return variables[name.toLowerCase()] ?? variables[name] ?? "";
  } catch {
    // Deno refuses it to a program that may not read the environment.
    return "";
  }
}

function isExcluded(origin: URL, list: string): boolean {
  const host = origin.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = origin.port || (origin.protocol === "https:" ? "443" : "80");
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      const [, bracketed, plain, onlyPort] =
        /^(?:\[(.+)\]|([^:]*|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
      const name = (bracketed ?? plain ?? "").replace(/^\*?\./, "");
      if (name === "" || (onlyPort !== undefined && onlyPort !== port)) {
        return false;
      }
      return (
        name === "*" ||
        name === host ||
        (isIP(host) ? inRange(host, name) : host.endsWith(`.${name}`))
      );
    });
}

function inRange(address: string, range: string): boolean {
  const [network = "", bits = ""] = range.split("/");
  const family = isIP(network) === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  try {
    list.addSubnet(network, Number.parseInt(bits, 10), family);
  } catch {
    return false;
  }
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}
