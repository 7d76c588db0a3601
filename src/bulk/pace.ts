import { type Environment, jittered, sleep } from "../common/environment.js";
import { RateLimit } from "./rate-limit.js";
import { Stopped } from "./stop.js";

/**
 * The pause after the first throttled request; it doubles with each further one until a request is accepted.
 */
const firstPauseMs = 250;
const longestPauseMs = 30_000;
/** However soon a run gives up, its first request gets this much time. */
const leastTimeoutMs = 1000;

/** A request's place among those in flight. */
export interface Slot {
  readonly epoch: number;
  readonly sentMs: number;
  /** How long the request may take. */
  readonly timeoutMs: number;
}

/**
 * How many requests may be in flight, and when the next one may be sent. Each throttled request halves the
 * number and starts a jittered pause that doubles until a request is accepted; once as many requests as may
 * be in flight were accepted, the number grows by one. Requests that were sent before the throttling was
 * known do not count as throttled again.
 */
export class Pace {
  readonly #environment: Environment;
  readonly #most: number;
  readonly #giveUpMs: number;
  #limit: number;
  #inFlight = 0;
  #epoch = 0;
  #throttlings = 0;
  #takenAtLimit = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #takenMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | undefined;
  readonly #rate: RateLimit | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    most: number,
    giveUpMs: number,
    environment: Environment,
    maxPerSecond?: number | undefined,
  ) {
    this.#rate = maxPerSecond === undefined ? undefined : new RateLimit(maxPerSecond);
    this.#most = most;
    this.#limit = most;
    this.#giveUpMs = giveUpMs;
    this.#environment = environment;
  }

  /** Resolves when a request could be sent. @throws Stopped when the run stops. */
  async ready(stop: AbortSignal): Promise<void> {
    while (!this.#free(stop)) {
      await this.#wait(stop);
    }
  }

  /**
   * Takes a slot as soon as there is one.
   *
   * @param ownTimeoutMs a request's own time limit.
   * @throws Stopped when the run stops.
   */
  async take(stop: AbortSignal, ownTimeoutMs: number): Promise<Slot> {
    while (!this.#free(stop)) {
      await this.#wait(stop);
    }
    this.#inFlight += 1;
    const sentMs = this.#environment.monotonicMs();
    this.#rate?.sent(sentMs);
    return { epoch: this.#epoch, sentMs, timeoutMs: this.#timeoutMs(ownTimeoutMs) };
  }

  #free(stop: AbortSignal): boolean {
    if (stop.aborted) {
      throw new Stopped();
    }
    return this.#pauseMs() <= 0 && this.#inFlight < this.#limit;
  }

  #pauseMs(): number {
    const nowMs = this.#environment.monotonicMs();
    return Math.max(this.#pausedUntilMs - nowMs, this.#rate?.waitMs(nowMs) ?? 0);
  }

  async #wait(stop: AbortSignal): Promise<void> {
    const pauseMs = this.#pauseMs();
    await (pauseMs > 0 ? sleep(this.#environment, pauseMs, stop) : this.#turn(stop));
  }

  /** Releases a slot, whatever the result of the request. */
  release(): void {
    this.#inFlight -= 1;
    this.#wake();
  }

  /** The server has processed a request: it applied it, or rejected it for its content. */
  taken(): void {
    this.#throttlings = 0;
    this.#takenMs = this.#environment.monotonicMs();
    this.#troubleSinceMs = undefined;
    this.#takenAtLimit += 1;
    if (this.#limit < this.#most && this.#takenAtLimit >= this.#limit) {
      this.#limit += 1;
      this.#takenAtLimit = 0;
    }
  }

  /** The server is throttling. @param askedPauseMs the pause that it asked for. */
  throttled(slot: Slot, askedPauseMs: number | undefined): void {
    this.failed(slot);
    const nowMs = this.#environment.monotonicMs();
    if (slot.epoch === this.#epoch) {
      this.#epoch += 1;
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#takenAtLimit = 0;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#throttlings);
      this.#throttlings += 1;
      // No later than the time to give up, when the last attempt is made.
      this.#pauseUntil(
        Math.min(nowMs + jittered(this.#environment, pauseMs), this.#giveUpAtMs(nowMs)),
      );
    }
    if (askedPauseMs !== undefined) {
      this.#pauseUntil(nowMs + askedPauseMs);
    }
  }

  /** The server did not respond, or reports an internal failure. */
  failed({ sentMs, timeoutMs }: Slot): void {
    // On some platforms the clock goes on while the machine sleeps, which is not the server's doing.
    const earliestMs = this.#environment.monotonicMs() - timeoutMs;
    this.#troubleSinceMs ??= Math.max(sentMs, this.#takenMs, earliestMs);
  }

  /**
   * How long a request may take, in milliseconds, given its own time limit: a server that accepts nothing is
   * never waited for longer than the time to give up and a tenth of it.
   */
  #timeoutMs(ownMs: number): number {
    const nowMs = this.#environment.monotonicMs();
    const most =
      this.#troubleSinceMs === undefined
        ? Math.max(leastTimeoutMs, this.#giveUpMs)
        : Math.max(1, this.#giveUpMs / 10, this.#giveUpAtMs(nowMs) - nowMs);
    return Math.min(ownMs, Math.ceil(most));
  }

  /** For this long nothing was sent, so that the server could not accept anything. */
  idled(ms: number): void {
    if (this.#troubleSinceMs !== undefined && this.#inFlight === 0) {
      this.#troubleSinceMs = Math.min(this.#environment.monotonicMs(), this.#troubleSinceMs + ms);
    }
  }

  /**
   * Whether the server has accepted nothing for so long, or asks for such a long pause, that the run stops.
   */
  get hopeless(): boolean {
    const nowMs = this.#environment.monotonicMs();
    const giveUpAtMs = this.#giveUpAtMs(nowMs);
    return giveUpAtMs <= nowMs || this.#pausedUntilMs > giveUpAtMs;
  }

  #giveUpAtMs(nowMs: number): number {
    return (this.#troubleSinceMs ?? nowMs) + this.#giveUpMs;
  }

  #pauseUntil(atMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, atMs);
  }

  #turn(stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        stop.removeEventListener("abort", done);
        resolve();
      };
      stop.addEventListener("abort", done);
      this.#waiting.push(done);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) {
      resume();
    }
  }
}
