import type { Environment } from "../../../common/environment.js";
import type { ConnectFailure } from "./connect-failure.js";

const initialMs = 1_000;
const factor = 1.6;
const jitter = 0.2;
const maxMs = 120_000;

/**
 * When the next connection may be opened after failures: the exponential backoff of gRPC
 * (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md), counted from when the failed
 * attempt was started. The first failure in a row is followed by another attempt at once: most often one
 * connection broke, and the server is there.
 */
export class Backoff {
  /** The last failure, until a connection has served a call. */
  failure: ConnectFailure | undefined;
  /** Whether the failure is permanent. */
  isPermanent = false;

  readonly #environment: Environment;
  #failures = 0;
  #endsAtMs = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  fail(failure: ConnectFailure, startedAtMs: number): void {
    this.#failures += 1;
    const delayMs =
      this.#failures === 1 ? 0 : Math.min(maxMs, initialMs * factor ** (this.#failures - 2));
    this.isPermanent =
      failure.isPermanent === true ||
      (failure.isPermanent === "when repeated" && this.failure?.isPermanent === "when repeated");
    this.failure = failure;
    this.#endsAtMs = startedAtMs + delayMs * (1 - jitter + 2 * jitter * this.#environment.random());
  }

  reset(): void {
    this.failure = undefined;
    this.isPermanent = false;
    this.#failures = 0;
    this.#endsAtMs = 0;
  }

  /** Milliseconds until a connection may be opened, at least 0. */
  remainingMs(): number {
    return Math.max(0, this.#endsAtMs - this.#environment.monotonicMs());
  }
}
