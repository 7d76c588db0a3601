import { BlockList, isIP } from "node:net";
import { isLoopback } from "../../../common/loopback.js";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for an origin: `HTTPS_PROXY` for `https:`, `HTTP_PROXY` for `http:`,
 * in upper or lower case, unless `NO_PROXY` names the host. Plain HTTP to loopback never uses a proxy.
 *
 * `NO_PROXY` is a list, separated by commas or spaces, of `*`, host names (which include their subdomains,
 * with or without a leading dot or `*.`), addresses and address ranges like `10.0.0.0/8`, each optionally
 * with `:port`.
 *
 * @throws TypeError when the variable is not an http or https URL; it may contain a password, and is not
 * shown.
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
    // Deno denies it to a program without permission to read the environment.
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
