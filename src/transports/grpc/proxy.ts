import { BlockList, connect as connectPlain, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectSecure } from "node:tls";
import { describeFailure, plainCause } from "../../errors/failure.js";
import { createMask, secretsOf } from "../../errors/mask.js";
import { isLoopback, own } from "../../options/checker.js";
import type { NodeConnectOptions } from "../../options/options.js";

/** How a connection is to be opened. */
export interface SocketRequest {
  readonly origin: URL;
  readonly nodeOptions: NodeConnectOptions | undefined;
  /** The application protocol that TLS negotiates. */
  readonly protocol: "h2" | "http/1.1";
  /** Aborted when the connection is not needed any longer. */
  readonly signal: AbortSignal | undefined;
  /** Whether it keeps the process alive. */
  readonly keepsAlive: boolean;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a connection to an origin: TCP, or a tunnel through the proxy that the environment names, or what
 * `createConnection` of the options returns; then TLS for `https:`, unless that returned it.
 *
 * @throws the platform's error, with the system call `connect`; its code is `ERR_PROXY_…` when the proxy is the
 * cause.
 */
export async function openSocket(request: SocketRequest): Promise<Duplex> {
  try {
    return await open(request);
  } catch (error) {
    // Nothing was sent, whichever system call it was.
    throw error instanceof Error && Object.isExtensible(error) && error !== request.signal?.reason
      ? Object.assign(error, { syscall: "connect" })
      : error;
  }
}

async function open(request: SocketRequest): Promise<Duplex> {
  const { origin, protocol } = request;
  const isSecure = origin.protocol === "https:";
  const host = origin.hostname.replace(/^\[|\]$/g, "");
  const target = { host, port: Number(origin.port || (isSecure ? 443 : 80)) };
  const { createConnection, ...others } = own<NodeConnectOptions>(request.nodeOptions ?? {});
  const tls = { ...(isIP(host) === 0 && { servername: host }), ALPNProtocols: [protocol] };
  const options: Target & object = { ...(isSecure && tls), ...target, ...others };
  const proxy = createConnection === undefined ? proxyFor(origin, process.env) : undefined;
  let socket: Duplex | undefined;
  if (typeof createConnection === "function") {
    socket = await opened((await createConnection(origin, options)) as Duplex, request);
  } else if (proxy !== undefined) {
    socket = await openTunnel(proxy, target, request);
  }
  if (!isSecure) {
    return socket ?? (await opened(connectPlain(options), request));
  }
  if (socket !== undefined && "encrypted" in socket && proxy === undefined) {
    return socket;
  }
  return await opened(connectSecure(socket ? { ...options, socket } : options), request);
}

/** Resolves when a socket is open, and destroys it when it fails or is not needed. */
function opened(socket: Duplex, { signal, keepsAlive }: SocketRequest): Promise<Duplex> {
  const { connecting, secureConnecting, unref } = socket as Duplex & {
    readonly connecting?: boolean;
    readonly secureConnecting?: boolean;
    unref?(): void;
  };
  if (!keepsAlive) {
    unref?.call(socket);
  }
  return new Promise((resolve, reject) => {
    let isOpen = !connecting && !secureConnecting;
    const settle = () => {
      isOpen = true;
      signal?.removeEventListener("abort", onAbort);
      resolve(socket);
    };
    const fail = (error: Error) => {
      socket.destroy();
      if (!isOpen) {
        signal?.removeEventListener("abort", onAbort);
        reject(signal?.aborted ? signal.reason : error);
      }
    };
    const onAbort = () => fail(new Error("the connection is not needed"));
    // Never removed: a late error of an unused socket must not terminate the process.
    socket.on("error", fail);
    if (isOpen) {
      settle();
      return;
    }
    socket.once("close", () => fail(new Error("the connection was closed before it was open")));
    socket.once(secureConnecting ? "secureConnect" : "connect", settle);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) {
      onAbort();
    }
  });
}

/** A connection through a proxy by CONNECT (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6). */
async function openTunnel(
  proxy: URL,
  { host, port }: Target,
  { signal, keepsAlive }: SocketRequest,
): Promise<Socket> {
  // Most programs use no proxy, and node:http takes longer to load than this package.
  const { request: makeRequest } = await (proxy.protocol === "https:"
    ? import("node:https")
    : import("node:http"));
  const path = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const headers = { host: path, ...authorization(proxy) };
  const { text } = createMask(secretsOf(Object.entries(headers)));
  const failure = (code: string, reason: string, cause?: Error) =>
    Object.assign(
      new Error(text(`the proxy ${proxy.host} ${reason}`), { cause: plainCause(cause, text) }),
      { code },
    );
  return await new Promise((resolve, reject) => {
    const request = makeRequest({
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path,
      headers,
      agent: false as const,
      signal,
    });
    request.once("socket", (socket) => (keepsAlive ? socket : socket.unref()));
    request.on("error", (error) => {
      const reason = `cannot be reached: ${describeFailure(error)}`;
      reject(signal?.aborted ? signal.reason : failure("ERR_PROXY_REFUSED", reason, error));
    });
    request.once("connect", ({ statusCode = 0 }, socket: Socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        const said = `responded to CONNECT ${path} with HTTP ${statusCode}.`;
        reject(
          statusCode === 407
            ? failure("ERR_PROXY_CREDENTIALS", `${said} ${wantsCredentials}`)
            : failure("ERR_PROXY_REFUSED", `${said} ${refusesHost}`),
        );
        return;
      }
      socket.on("error", () => undefined);
      socket.unshift(head);
      socket.setNoDelay(true);
      resolve(socket);
    });
    request.end();
  });
}

const wantsCredentials =
  'It wants credentials: HTTPS_PROXY may hold them ("http://user:password@proxy.example.com:3128").';
const refusesHost = "It may refuse this host; NO_PROXY names hosts that need no proxy.";

function authorization({ username, password }: URL): { "proxy-authorization"?: string } {
  if (username === "" && password === "") {
    return {};
  }
  const credentials = `${decoded(username)}:${decoded(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** A `%` that begins no escape is one: a URL may hold it, unlike what `decodeURIComponent` accepts. */
function decoded(text: string): string {
  return text.replace(/(?:%[\da-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

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
    const error = new TypeError(
      `${name} must be the http or https URL of a proxy, such as "http://proxy.example.com:3128"`,
    );
    throw Object.assign(error, { code: "ERR_PROXY_SETTING" });
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
