import type { ConnectError } from "@connectrpc/connect";
import type { MeaningKind } from "../../bulk/classify.js";
import type { Environment } from "../../common/environment.js";
import { retryPauseMs } from "../retry-pause.js";

/** How often a step is sent whose error leaves open whether it was applied. */
const attemptsInDoubt = 3;

/**
 * When a step of a restore is retried. As in a removal, transient failures are retried until the server has
 * accepted nothing for `giveUpMs`: that is a failure of the whole restore, not of one grant.
 */
export class Patience {
  readonly #environment: Environment;
  readonly #giveUpMs: number;
  #troubleSinceMs: number | undefined;

  constructor(environment: Environment, giveUpMs: number) {
    this.#environment = environment;
    this.#giveUpMs = giveUpMs;
  }

  /** The server has applied a step, or rejected it for its content. */
  accepted(): void {
    this.#troubleSinceMs = undefined;
  }

  /**
   * How long to wait before the step is retried; "give up" if the server accepts nothing any more, undefined
   * if another attempt is pointless.
   */
  pauseMs(kind: MeaningKind, attempt: number, error: ConnectError): number | "give up" | undefined {
    if (kind !== "throttled" && !(kind === "lost" && attempt < attemptsInDoubt)) {
      return undefined;
    }
    const pauseMs = retryPauseMs(this.#environment, attempt, error);
    if (kind === "lost") {
      return pauseMs;
    }
    const nowMs = this.#environment.monotonicMs();
    this.#troubleSinceMs ??= nowMs;
    const leftMs = this.#troubleSinceMs + this.#giveUpMs - nowMs;
    return leftMs <= 0 ? "give up" : Math.min(pauseMs, leftMs);
  }
}
