import { type Environment, jittered, sleep } from "../common/environment.js";
import { Notifier, Stopped } from "./stop.js";

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
  /** Of calls, so that they do not begin long before they may leave; and of what leaves: retries of the transport, too. */
  readonly #calls: RateLimit | undefined;
  readonly #departures: RateLimit | undefined;
  readonly #released = new Notifier();
  #limit: number;
  #inFlight = 0;
  #hasReleased = false;
  #epoch = 0;
  #throttlings = 0;
  #takenAtLimit = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #takenMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | undefined;

  constructor(
    most: number,
    giveUpMs: number,
    environment: Environment,
    maxPerSecond?: number | undefined,
  ) {
    this.#most = most;
    this.#limit = most;
    this.#giveUpMs = giveUpMs;
    this.#environment = environment;
    if (maxPerSecond !== undefined) {
      this.#calls = new RateLimit(maxPerSecond);
      this.#departures = new RateLimit(maxPerSecond);
    }
  }

  /**
   * Takes a slot as soon as there is one.
   *
   * @param ownTimeoutMs a request's own time limit.
   * @throws Stopped when the run stops.
   */
  async take(stop: AbortSignal, ownTimeoutMs: number): Promise<Slot> {
    while (!stop.aborted) {
      const pauseMs = this.#pauseMs();
      if (pauseMs > 0) {
        await sleep(this.#environment, pauseMs, stop);
      } else if (this.#inFlight >= this.#limit) {
        await this.#released.wait(stop);
      } else {
        this.#inFlight += 1;
        const sentMs = this.#environment.monotonicMs();
        this.#calls?.count(sentMs);
        return { epoch: this.#epoch, sentMs, timeoutMs: this.#timeoutMs(ownTimeoutMs) };
      }
    }
    throw new Stopped();
  }

  /**
   * Counts a request that is about to leave.
   *
   * @returns undefined if it may leave now, or what resolves when it may.
   */
  departure(cancelled: AbortSignal): Promise<void> | undefined {
    const limit = this.#departures;
    if (limit === undefined) {
      return undefined;
    }
    const waitMs = limit.waitMs(this.#environment.monotonicMs());
    if (waitMs <= 0) {
      limit.count(this.#environment.monotonicMs());
      return undefined;
    }
    return sleep(this.#environment, waitMs, cancelled).then(() =>
      cancelled.aborted ? undefined : this.departure(cancelled),
    );
  }

  #pauseMs(): number {
    const nowMs = this.#environment.monotonicMs();
    return Math.max(
      this.#pausedUntilMs - nowMs,
      this.#calls?.waitMs(nowMs) ?? 0,
      this.#departures?.waitMs(nowMs) ?? 0,
    );
  }

  /** Releases a slot, whatever the result of the request. */
  release(): void {
    if (!this.#hasReleased) {
      this.#hasReleased = true;
      // Where connections take time, what left until now arrives together.
      const nowMs = this.#environment.monotonicMs();
      this.#calls?.postpone(nowMs);
      this.#departures?.postpone(nowMs);
    }
    this.#inFlight -= 1;
    this.#released.notify();
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
}

/** What a second is taken for: requests that left a second apart may arrive a little closer. */
const secondMs = 1030;

/**
 * When the next request may be sent, so that no second that one may pick holds more than so many. A tenth of
 * them may be sent together, so that timers, which are late by a millisecond or so, do not slow the run down;
 * the others are evenly spaced.
 */
export class RateLimit {
  readonly #windows: readonly Window[];

  /** @param perSecond rounded down above 1; below, one request in 1 / `perSecond` seconds. */
  constructor(perSecond: number) {
    const most = Math.max(1, Math.floor(perSecond));
    const rate = Math.min(perSecond, most);
    const burst = Math.max(1, Math.floor(most / 10));
    this.#windows = [
      new Window(burst, (burst * 1000) / rate),
      new Window(most, (most * secondMs) / rate),
    ];
  }

  /** Milliseconds until a request may be sent; 0 or less if it may be sent now. */
  waitMs(nowMs: number): number {
    return Math.max(...this.#windows.map((window) => window.freeAtMs - nowMs));
  }

  /** A request is sent now. */
  count(nowMs: number): void {
    for (const window of this.#windows) {
      window.count(nowMs);
    }
  }

  /** The requests so far are taken to be sent only now. */
  postpone(nowMs: number): void {
    for (const window of this.#windows) {
      window.postpone(nowMs);
    }
  }
}

/** Lets at most so many requests through in any stretch of time of this length. */
class Window {
  readonly #most: number;
  readonly #lengthMs: number;
  /** When the last requests were sent, as a ring: the oldest is overwritten next. */
  readonly #sentMs: number[] = [];
  #next = 0;

  constructor(most: number, lengthMs: number) {
    this.#most = most;
    this.#lengthMs = lengthMs;
  }

  get freeAtMs(): number {
    const oldestMs = this.#sentMs[this.#next];
    return oldestMs === undefined ? Number.NEGATIVE_INFINITY : oldestMs + this.#lengthMs;
  }

  count(nowMs: number): void {
    this.#sentMs[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#most;
  }

  postpone(nowMs: number): void {
    this.#sentMs.fill(nowMs);
  }
}
