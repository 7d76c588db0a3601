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

/** Is notified of the events of a connection. */
export interface ConnectionOwner<Connection> {
  /** It may accept calls: it is open, or it is verified. */
  onRoom(connection: Connection): void;
  /** A stream of it has closed. */
  onReleased(connection: Connection): void;
  /** The first byte of a response has arrived on it. */
  onServed(connection: Connection): void;
  /** It accepts no more calls. */
  onDraining(connection: Connection): void;
  /** The server asks for fewer pings. */
  onTooManyPings(): void;
  /** It is closed; with a failure if it was never established. */
  onClosed(connection: Connection, failure: ConnectFailure | undefined): void;
}
