import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { type GrpcTransportOptions, Http2SessionManager } from "@connectrpc/connect-node";
import { platform } from "../../../common/environment.js";
import type { GrpcOptions } from "../../../options/client-options.js";
import { connectFailure } from "./connect-failure.js";
import { sessionOptions } from "./session-options.js";
import type { Tunnel } from "./tunnel.js";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** The connection of a transport's streams: connect-node's, with our proxy, time limit and close. */
export class StreamConnection {
  /** What connect-node opens its streams on. */
  readonly manager: SessionManager;

  readonly #origin: string;
  readonly #sessions: Http2SessionManager;
  readonly #connectTimeoutMs: number;
  readonly #tunnels = new Set<Tunnel>();
  #connecting: Promise<void> | undefined;
  #tunnelError: Error | undefined;
  #streams = 0;
  #isClosed = false;

  constructor(options: GrpcOptions) {
    const url = new URL(options.baseUrl);
    this.#origin = url.origin;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 10_000;
    const { pingIntervalMs, pingTimeoutMs, pingIdleConnection, idleConnectionTimeoutMs } = options;
    this.#sessions = new Http2SessionManager(
      url.origin,
      {
        ...(pingIntervalMs !== undefined && { pingIntervalMs }),
        ...(pingTimeoutMs !== undefined && { pingTimeoutMs }),
        ...(pingIdleConnection !== undefined && { pingIdleConnection }),
        ...(idleConnectionTimeoutMs !== undefined && { idleConnectionTimeoutMs }),
      },
      sessionOptions(url, options.nodeOptions, (tunnel) => this.#watchTunnel(tunnel)),
    );
    const watched = new WeakSet<Http2Session>();
    this.manager = {
      authority: url.origin,
      request: async (method, path, headers, requestOptions) => {
        const stream = await this.#sessions.request(
          method,
          path,
          // Node would add the port even if it is the default, and ZITADEL selects its instance by this
          // value.
          { ...headers, ":authority": url.host },
          requestOptions,
        );
        if (stream.session !== undefined && !watched.has(stream.session)) {
          watched.add(stream.session);
          guardSession(stream.session);
        }
        this.#keepTunnels(stream);
        return stream;
      },
      notifyResponseByteRead: (stream) => this.#sessions.notifyResponseByteRead(stream),
    };
  }

  /** Cancels all streams with `Canceled`. */
  close(): void {
    this.#isClosed = true;
    this.#sessions.abort(closed());
  }

  /** Resolves when there is a connection. */
  connect(): Promise<void> {
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #attempt(): Promise<void> {
    if (this.#isClosed) {
      throw closed();
    }
    this.#tunnelError = undefined;
    const state = this.#sessions.state();
    const onTimeout = () => {
      const reason = `the server did not open an HTTP/2 connection within ${this.#connectTimeoutMs} ms`;
      this.#sessions.abort(connectFailure(this.#origin, new Error(reason)).error());
    };
    const cancelTimer =
      state === "closed" || state === "error"
        ? platform.setTimer(onTimeout, this.#connectTimeoutMs, { background: true })
        : undefined;
    const result = await this.#sessions.connect();
    cancelTimer?.();
    if (this.#isClosed) {
      throw closed();
    }
    if (result === "error") {
      const reason = this.#sessions.error();
      const cause = reason instanceof ConnectError ? reason.cause : reason;
      throw cause === undefined && this.#tunnelError === undefined
        ? reason
        : connectFailure(this.#origin, this.#tunnelError ?? (cause as Error)).error();
    }
  }

  #watchTunnel(tunnel: Tunnel): void {
    this.#tunnels.add(tunnel);
    tunnel.on("error", (error) => {
      this.#tunnelError ??= error;
    });
    tunnel.once("close", () => this.#tunnels.delete(tunnel));
  }

  /** Ref-counting that does not reach through a tunnel: keeps the process alive while there are streams. */
  #keepTunnels(stream: ClientHttp2Stream): void {
    this.#streams += 1;
    this.#tunnels.forEach((tunnel) => {
      tunnel.ref();
    });
    stream.once("close", () => {
      this.#streams -= 1;
      if (this.#streams === 0) {
        this.#tunnels.forEach((tunnel) => {
          tunnel.unref();
        });
      }
    });
  }
}

function guardSession(session: Http2Session): void {
  // connect-node removes its own listener before the session reports an unacknowledged PING, and an error
  // without a listener terminates the process.
  session.on("error", () => undefined);
  if (!session.destroyed) {
    // A session whose TLS connection the server rejects after the handshake does not report it.
    session.socket.once("error", (error) => session.destroy(error));
  }
}

function closed(): ConnectError {
  return new ConnectError("the client was closed", Code.Canceled);
}
