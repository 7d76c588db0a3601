import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import type { Environment } from "../../../common/environment.js";
import type { NodeConnectOptions } from "../../../options/node-connect.js";
import { holdFor, memoryOf } from "./session-memory.js";
import { sessionOptions } from "./session-options.js";
import type { Tunnel } from "./tunnel.js";

/** A session of `node:http2`, with information that it does not expose itself. */
export class Session {
  readonly http2: ClientHttp2Session;
  /** The first thing that went wrong. */
  error: Error | undefined;

  /** Reports that the server's SETTINGS have arrived, or that they are no longer awaited. */
  readonly stopConnectTimer: () => void;
  /** The tunnel, which the session's own `ref` and `unref` do not reach. */
  #tunnel: Tunnel | undefined;
  #memory: object | undefined;

  /**
   * @param options `connectTimeoutMs` is the time until the server's SETTINGS must have arrived.
   * @param onBroken called when it cannot be used, with `error` set.
   */
  constructor(
    options: {
      origin: string;
      nodeOptions: NodeConnectOptions | undefined;
      connectTimeoutMs: number;
    },
    environment: Environment,
    onBroken: () => void,
  ) {
    const { origin, nodeOptions, connectTimeoutMs } = options;
    const onError = (error: Error) => {
      this.error ??= error;
    };
    this.http2 = connect(
      origin,
      sessionOptions(new URL(origin), nodeOptions, (tunnel) => {
        this.#tunnel = tunnel;
        tunnel.on("error", onError);
      }),
    );
    // Never removed: a late error of an unused session must not terminate the process.
    this.http2.on("error", onError);
    // A session whose TLS connection the server rejects after the handshake does not report it.
    this.http2.on("connect", (_, socket) => {
      this.#memory = memoryOf(this.http2);
      socket.on("error", (error) => {
        onError(error);
        onBroken();
      });
    });
    const onTimeout = () => {
      onError(
        new Error(`the server did not open an HTTP/2 connection within ${connectTimeoutMs} ms`),
      );
      onBroken();
    };
    this.stopConnectTimer = environment.setTimer(onTimeout, connectTimeoutMs, { background: true });
  }

  /** Records that a stream has closed without a complete response. */
  onBrokenStream(stream: ClientHttp2Stream): void {
    holdFor(stream, this.#memory);
  }

  /** Whether it keeps the process alive. */
  keepProgram(alive: boolean): void {
    if (alive) {
      this.http2.ref();
      this.#tunnel?.ref();
    } else {
      this.http2.unref();
      this.#tunnel?.unref();
    }
  }
}
