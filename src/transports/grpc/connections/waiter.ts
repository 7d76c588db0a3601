import type { ConnectError } from "@connectrpc/connect";
import type { Connection } from "./connection.js";

/** A call that needs a connection. */
export interface Waiter {
  /** Must not throw. */
  start(connection: Connection): void;
  fail(error: ConnectError): void;
}
