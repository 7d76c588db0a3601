import { connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { type Listening, listen } from "./listen.ts";

/** A way to a server of this machine. */
export interface Relay {
  readonly port: number;
  readonly baseUrl: string;
  /** How many connections were made through it. */
  connections(): number;
  /** The connections that are open now, as their clients see them. */
  sockets(): readonly Socket[];
  /** Makes the connections of now go deaf: they stay open, but nothing passes any more. */
  freeze(): void;
  /** Ends all connections, and refuses new ones. */
  shut(): Promise<void>;
  /** Takes connections again, on the same port. */
  open(): Promise<void>;
}

export interface RelayOptions {
  /** Speaks TLS with the client. What is inside passes as it is. */
  tls?: TlsOptions;
  /** Nothing passes before it resolves. */
  held?: Promise<void>;
  /** What becomes of the server's bytes. Default: they are passed on. */
  onResponse?: (chunk: Buffer, near: Socket) => void;
}

export async function startRelay(
  targetPort: number,
  { tls, held, onResponse }: RelayOptions = {},
): Promise<Relay> {
  const pairs = new Map<Socket, Socket>();
  let listening: Listening | undefined;
  let port = 0;
  let connections = 0;
  const onConnection = async (near: Socket) => {
    connections += 1;
    await held;
    const far = connect(targetPort, "127.0.0.1");
    pairs.set(near, far);
    near.setNoDelay(true);
    far.setNoDelay(true);
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("error", () => far.destroy());
    near.on("close", () => {
      pairs.delete(near);
      far.destroy();
    });
    near.pipe(far);
    if (onResponse === undefined) {
      far.pipe(near);
    } else {
      far.on("data", (chunk: Buffer) => onResponse(chunk, near));
    }
  };
  const open = async () => {
    const server = tls ? createTlsServer(tls, onConnection) : createServer(onConnection);
    listening = await listen(server, { port });
    port = listening.port;
  };
  await open();
  return {
    port,
    baseUrl: `${tls ? "https" : "http"}://localhost:${port}`,
    connections: () => connections,
    sockets: () => [...pairs.keys()],
    freeze() {
      for (const socket of [...pairs].flat()) {
        socket.unpipe();
        socket.pause();
      }
    },
    shut: async () => void (await listening?.close()),
    open,
  };
}
