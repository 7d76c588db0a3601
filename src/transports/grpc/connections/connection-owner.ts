import type { NodeConnectOptions } from "../../../options/node-connect.js";
import type { ConnectFailure } from "./connect-failure.js";
import type { LivenessOptions } from "./liveness.js";

export interface ConnectionOptions extends LivenessOptions {
  /** Scheme, host and port. */
  origin: string;
  nodeOptions: NodeConnectOptions | undefined;
  connectTimeoutMs: number;
  idleConnectionTimeoutMs: number;
}

/** Who is told what becomes of a connection. */
export interface ConnectionOwner<Connection> {
  /** It may take calls: it is open, it is proven alive, or a stream of it has closed. */
  onRoom(connection: Connection): void;
  /** The first byte of a response has come over it. */
  onServed(connection: Connection): void;
  /** It takes no more calls. */
  onDraining(connection: Connection): void;
  /** The server asks for fewer pings. */
  onTooManyPings(): void;
  /** It is gone; with a failure when it never came to be. */
  onClosed(connection: Connection, failure: ConnectFailure | undefined): void;
}
