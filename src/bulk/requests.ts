import { type CallOptions, ConnectError, createContextValues } from "@connectrpc/connect";
import { retrySwitch } from "../client/interceptors/retry-switch.js";
import { type Environment, jittered, sleep } from "../common/environment.js";
import { untilAborted } from "../common/time-limit.js";
import { classify, retryAfterMs } from "./classify.js";
import type { Ledger } from "./ledger.js";
import type { BulkOptions } from "./options.js";
import type { Pace, Slot } from "./pace.js";
import type { Grant } from "./source.js";
import { NotSent, type Stop, Stopped } from "./stop.js";

/** A request that was throttled, or whose response was lost, this many times has failed. */
const mostAttempts = 5;

/** The result of a request, after as many attempts as it took. */
export type Result =
  | { readonly kind: "ok" }
  | {
      readonly kind: "not-found" | "inactive" | "rejected" | "too-large";
      readonly error: ConnectError;
    }
  /** The server does not accept it, or it is unknown whether it was applied. */
  | { readonly kind: "throttled" | "lost"; readonly error: ConnectError };

/** Sends one request for some grants, and retries it while a retry can help. */
export type Ask<G extends Grant> = (
  grants: readonly G[],
  send: (options: CallOptions) => Promise<unknown>,
  attempts?: number,
) => Promise<Result>;

export interface RequestsOptions {
  readonly options: Pick<BulkOptions<never>, "orgId" | "timeoutMs">;
  /** The id with which this RPC reports an unknown grant. */
  readonly notFoundId: string;
  readonly environment: Environment;
}

/**
 * Sends the requests of a run at its pace, and records in the ledger what each response proves about its
 * grants.
 */
export class Requests<G extends Grant> {
  readonly #options: RequestsOptions;
  readonly #pace: Pace;
  readonly #ledger: Pick<Ledger<string>, "found" | "lost">;
  readonly #stop: Stop;

  constructor(
    options: RequestsOptions,
    pace: Pace,
    ledger: Pick<Ledger<string>, "found" | "lost">,
    stop: Stop,
  ) {
    this.#options = options;
    this.#pace = pace;
    this.#ledger = ledger;
    this.#stop = stop;
  }

  /** @throws Stopped when the run stops before the request has its result. */
  readonly ask: Ask<G> = async (grants, send, attempts = mostAttempts) => {
    const { environment, notFoundId, options } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const slot = await this.#pace.take(this.#stop.signal, options.timeoutMs ?? 30_000);
      let error: ConnectError;
      try {
        // Some clients ignore their signal.
        await untilAborted(send(this.#callOptions(slot)), this.#stop.cancelSignal);
        this.#pace.taken();
        this.#ledger.found(grants);
        return { kind: "ok" };
      } catch (reason) {
        if (reason instanceof NotSent) {
          this.#stop.becauseOfThrown(reason.cause);
          throw new Stopped();
        }
        error = ConnectError.from(reason);
      } finally {
        this.#pace.release();
      }
      if (this.#stop.cancelSignal.aborted) {
        this.#ledger.lost(grants);
        throw new Stopped();
      }
      const isLate = environment.monotonicMs() - slot.sentMs >= slot.timeoutMs;
      const { kind, maybeApplied } = classify(error, notFoundId, isLate);
      if (maybeApplied) {
        this.#ledger.lost(grants);
      }
      switch (kind) {
        case "fatal":
          this.#stop.because(error);
          throw new Stopped();
        case "not-found":
        case "inactive":
        case "rejected":
        case "too-large":
          this.#pace.taken();
          return { kind, error };
        case "throttled":
          this.#pace.throttled(slot, retryAfterMs(error, environment.wallMs()));
          break;
        case "lost":
          this.#pace.failed(slot);
          break;
      }
      if (this.#pace.hopeless) {
        this.#stop.because(error);
        throw new Stopped();
      }
      if (attempt >= attempts) {
        return { kind, error };
      }
      if (kind === "lost") {
        const pauseMs = jittered(environment, 100 * 2 ** (attempt - 1));
        await sleep(environment, pauseMs, this.#stop.signal);
      }
    }
  };

  #callOptions({ timeoutMs }: Slot): CallOptions {
    const { orgId } = this.#options.options;
    return {
      signal: this.#stop.cancelSignal,
      timeoutMs,
      contextValues: createContextValues().set(retrySwitch, false),
      ...(orgId === undefined ? {} : { headers: { "x-zitadel-orgid": orgId } }),
    };
  }
}
