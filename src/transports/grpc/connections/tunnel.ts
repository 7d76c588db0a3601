import type { ClientRequest, request as requestByHttp } from "node:http";
import { isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { plainCause } from "../../../errors/failure.js";
import { createMask, secretsOf } from "../../../errors/mask.js";
import type { NodeConnectOptions } from "../../../options/node-connect.js";
import { ownOptions } from "./own-options.js";

/**
 * A connection through a proxy by CONNECT (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6). It can be
 * written to at once: data is buffered until the proxy's response.
 */
export class Tunnel extends Duplex {
  readonly #proxy: URL;
  readonly #target: string;
  #request: ClientRequest | undefined;
  #socket: Socket | undefined;
  #keepsAlive = true;

  constructor(proxy: URL, target: string) {
    super();
    this.#proxy = proxy;
    this.#target = target;
  }

  /** Whether the connection keeps the process alive, as with a `Socket`. */
  ref(): this {
    this.#keepsAlive = true;
    this.#socket?.ref();
    return this;
  }

  unref(): this {
    this.#keepsAlive = false;
    this.#socket?.unref();
    return this;
  }

  // Required by Node's agents for a connection that they keep for the next request.
  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  override _construct(callback: (error?: Error | null) => void): void {
    // Most programs use no proxy, and node:http takes longer to load than this package.
    const http = this.#proxy.protocol === "https:" ? import("node:https") : import("node:http");
    http.then(({ request }) => {
      if (this.destroyed) {
        callback();
      } else {
        this.#ask(request, callback);
      }
    }, callback);
  }

  #ask(makeRequest: typeof requestByHttp, callback: (error?: Error | null) => void): void {
    const proxy = this.#proxy;
    const mask = createMask(secretsOf(Object.entries(authorization(proxy))));
    const fail = (reason: string, cause?: Error) =>
      callback(
        Object.assign(
          new Error(mask.text(`the proxy ${proxy.host} ${reason}`), {
            cause: plainCause(cause, mask.text),
          }),
          // Without the tunnel there was no connection: nothing was sent through it.
          { syscall: "connect" },
        ),
      );
    const options = {
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: this.#target,
      headers: { host: this.#target, ...authorization(proxy) },
      agent: false as const,
    };
    const request = makeRequest(ownOptions(options, ["hostname"]));
    this.#request = request;
    request.once("socket", (socket) => {
      this.#socket = socket;
      this.#keepsAlive ? socket.ref() : socket.unref();
    });
    request.once("error", (error) => fail(`cannot be reached: ${error.message}`, error));
    request.once("connect", ({ statusCode }, socket: Socket, head) => {
      if (statusCode !== 200) {
        socket.destroy();
        fail(`responded to CONNECT ${this.#target} with HTTP ${statusCode}. ${advice(statusCode)}`);
        return;
      }
      socket.unshift(head);
      socket.setNoDelay(true);
      socket.on("data", (chunk) => {
        if (!this.push(chunk)) {
          socket.pause();
        }
      });
      socket.on("end", () => this.push(null));
      socket.on("error", (error) => this.destroy(error));
      socket.on("close", () => this.destroy());
      callback();
    });
    request.end();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(
    chunk: Buffer,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#socket?.write(chunk, callback);
  }

  override _final(callback: () => void): void {
    this.#socket?.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket?.destroy();
    callback(error);
  }

  /** Node does not call `_destroy` while the proxy has not responded. */
  override destroy(error?: Error): this {
    this.#request?.destroy();
    return super.destroy(error);
  }
}

/** TLS with a server, through a tunnel. */
export function tlsThrough(
  tunnel: Tunnel,
  origin: URL,
  nodeOptions: NodeConnectOptions | undefined,
  protocols: string[],
): TLSSocket {
  const host = origin.hostname.replace(/^\[|\]$/g, "");
  const options = {
    ...(isIP(host) === 0 && { servername: host }),
    ALPNProtocols: protocols,
    ...nodeOptions,
    host,
    socket: tunnel,
  };
  const socket = connect(ownOptions(options, ["path"]) as object);
  socket.ref = () => {
    tunnel.ref();
    return socket;
  };
  socket.unref = () => {
    tunnel.unref();
    return socket;
  };
  return socket;
}

/** The host and port of an origin, as CONNECT requires them. */
export function connectTarget(origin: URL): string {
  return `${origin.hostname}:${origin.port || (origin.protocol === "https:" ? 443 : 80)}`;
}

function authorization({ username, password }: URL): { "proxy-authorization"?: string } {
  if (username === "" && password === "") {
    return {};
  }
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

function advice(statusCode: number | undefined): string {
  return statusCode === 407
    ? 'It wants credentials: HTTPS_PROXY may hold them ("http://user:password@proxy.example.com:3128").'
    : "It may refuse this host; NO_PROXY names hosts that need no proxy.";
}
