import { type Environment, exponential, type Signal, sleep } from "../common/time.js";
import { Notifier, Stopped } from "./stop.js";

/**
 * The pause after the first throttled request; it doubles with each further one until a request is accepted.
 */
const pause = { firstMs: 250, maxMs: 30_000 };
/** However soon a run gives up, its first request gets this much time. */
const leastTimeoutMs = 1000;

/** A request's place among those in flight. */
export interface Slot {
  readonly epoch: number;
  readonly sentMs: number;
  /** How long the request may take. */
  readonly timeoutMs: number;
  /**
   * To be called right before each request of the call leaves: its first, and those that the transport sends
   * again. Returns undefined if it may leave now, or what resolves when it may.
   */
  readonly leave: (cancelled: AbortSignal) => Promise<void> | undefined;
  /** The call has settled, whatever its result. */
  readonly release: () => void;
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
  readonly #rate: RateLimit | undefined;
  readonly #released = new Notifier();
  #limit: number;
  #inFlight = 0;
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
    this.#rate = maxPerSecond === undefined ? undefined : new RateLimit(maxPerSecond);
  }

  /**
   * Takes a slot as soon as there is one.
   *
   * @param ownTimeoutMs a request's own time limit.
   * @throws Stopped when the run stops.
   */
  async take(stop: Signal, ownTimeoutMs: number): Promise<Slot> {
    while (!stop.aborted) {
      const sentMs = this.#environment.monotonicMs();
      const waitMs = Math.max(this.#pausedUntilMs - sentMs, this.#rate?.waitMs(sentMs) ?? 0);
      if (this.#inFlight >= this.#limit || waitMs === Number.POSITIVE_INFINITY) {
        await this.#released.wait(stop);
      } else if (waitMs > 0) {
        await sleep(this.#environment, waitMs, stop);
      } else {
        return {
          ...{ epoch: this.#epoch, sentMs, timeoutMs: this.#timeoutMs(ownTimeoutMs) },
          ...this.#admit(sentMs),
        };
      }
    }
    throw new Stopped();
  }

  #admit(nowMs: number): Pick<Slot, "leave" | "release"> {
    this.#inFlight += 1;
    const rate = this.#rate;
    rate?.begin(nowMs);
    let isCounted = true;
    let hasLeft = false;
    const end = () => {
      if (isCounted) {
        rate?.end(this.#environment.monotonicMs());
        isCounted = false;
      }
    };
    const turn = (cancelled: AbortSignal): Promise<void> | undefined => {
      const leavesMs = this.#environment.monotonicMs();
      const waitMs = Math.max(
        isCounted ? 0 : (rate?.waitMs(leavesMs) ?? 0),
        rate?.leaveWaitMs(leavesMs) ?? 0,
      );
      if (waitMs > 0) {
        const waited =
          waitMs === Number.POSITIVE_INFINITY
            ? this.#released.wait(cancelled)
            : sleep(this.#environment, waitMs, cancelled);
        return waited.then(() => (cancelled.aborted ? undefined : turn(cancelled)));
      }
      if (!isCounted) {
        rate?.begin(leavesMs);
        isCounted = true;
      }
      rate?.leave(leavesMs);
      return undefined;
    };
    return {
      leave: (cancelled) => {
        if (hasLeft) {
          // What was sent before is answered, or given up.
          end();
        }
        hasLeft = true;
        return turn(cancelled);
      },
      release: () => {
        end();
        this.#inFlight -= 1;
        this.#released.notify();
      },
    };
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
      this.#throttlings += 1;
      const pauseMs = exponential(this.#environment, pause, this.#throttlings);
      // No later than the time to give up, when the last attempt is made.
      this.#pauseUntil(Math.min(nowMs + pauseMs, this.#giveUpAtMs(nowMs)));
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

/**
 * When the next request may be sent, so that a server gets no more than so many in any second that one may
 * pick. A request counts from when it begins until a second after it has ended: it may arrive at any time in
 * between, when there is a token and a connection. Within that they are spaced, a twentieth at a time, so
 * that timers, which are late by a millisecond or so, do not slow the run down.
 */
export class RateLimit {
  readonly #most: number;
  readonly #secondMs: number;
  readonly #burst: number;
  readonly #burstMs: number;
  #running = 0;
  /** When the last requests began, left and ended, the latest last. */
  #begunMs: number[] = [];
  #leftMs: number[] = [];
  #endedMs: number[] = [];

  /** @param perSecond rounded down above 1; below, one request in 1 / `perSecond` seconds. */
  constructor(perSecond: number) {
    this.#most = Math.max(1, Math.floor(perSecond));
    this.#secondMs = Math.max(1000, 1000 / perSecond);
    this.#burst = Math.max(1, Math.floor(this.#most / 20));
    this.#burstMs = (this.#burst * this.#secondMs) / this.#most;
  }

  /** Milliseconds until a request may begin; 0 or less if it may now, infinite until one has ended. */
  waitMs(nowMs: number): number {
    const free = this.#most - this.#running;
    return free <= 0
      ? Number.POSITIVE_INFINITY
      : Math.max(
          (this.#endedMs.at(-free) ?? Number.NEGATIVE_INFINITY) + this.#secondMs,
          (this.#begunMs.at(-this.#burst) ?? Number.NEGATIVE_INFINITY) + this.#burstMs,
        ) - nowMs;
  }

  begin(nowMs: number): void {
    this.#running += 1;
    this.#begunMs = latest(this.#begunMs, nowMs, this.#burst);
  }

  /** Milliseconds until a request that has begun may leave. */
  leaveWaitMs(nowMs: number): number {
    const lastMs = this.#leftMs.at(-this.#burst) ?? Number.NEGATIVE_INFINITY;
    return lastMs + this.#burstMs - nowMs;
  }

  leave(nowMs: number): void {
    this.#leftMs = latest(this.#leftMs, nowMs, this.#burst);
  }

  end(nowMs: number): void {
    this.#running -= 1;
    this.#endedMs = latest(this.#endedMs, nowMs, this.#most);
  }
}

/** Adds a time, and forgets those that are not needed. */
function latest(timesMs: number[], nowMs: number, needed: number): number[] {
  timesMs.push(nowMs);
  return timesMs.length > 2 * needed ? timesMs.slice(-needed) : timesMs;
}
