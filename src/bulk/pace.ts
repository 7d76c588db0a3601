import { type Environment, exponential, sleep } from "../common/time.js";
import { Notifier, Stopped } from "./stop.js";

/** After a throttled request: it grows with each further one until a request is accepted. */
const pause = { firstMs: 250, maxMs: 30_000 };

/** A request's place among those in flight. */
export interface Slot {
  readonly epoch: number;
  readonly sentMs: number;
  /** When it was counted for the limit a second, until it leaves. */
  countedMs: number | undefined;
}

/**
 * How many requests may be in flight, and when the next one may be sent. Each throttled or lost request halves the
 * number and starts a jittered pause that doubles until a request is accepted; once as many requests as may
 * be in flight were accepted, the number grows by one. Requests that were sent before the throttling was
 * known do not count as throttled again.
 */
export class Pace {
  readonly #environment: Environment;
  readonly #most: number;
  readonly timeoutMs: number;
  readonly giveUpMs: number;
  readonly #rate: RateLimit | undefined;
  readonly #released = new Notifier();
  /** How many have asked for a slot, and how many have got one: slots are taken in order. */
  #waiters = 0;
  #taken = 0;
  /** How many requests the server has processed. */
  accepted = 0;
  #limit: number;
  #inFlight = 0;
  #epoch = 0;
  /** How often in a row requests were throttled or lost. */
  throttlings = 0;
  #takenAtLimit = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #takenMs = Number.NEGATIVE_INFINITY;
  #troubleSinceMs: number | undefined;

  /** @param most requests in flight. @param timeoutMs how long one may take. */
  constructor(
    most: number,
    timeoutMs: number,
    giveUpMs: number,
    maxPerSecond: number | undefined,
    environment: Environment,
  ) {
    this.#most = most;
    this.#limit = most;
    this.timeoutMs = timeoutMs;
    this.giveUpMs = giveUpMs;
    this.#rate = maxPerSecond === undefined ? undefined : new RateLimit(maxPerSecond);
    this.#environment = environment;
  }

  /** Takes a slot as soon as there is one, in the order of the calls. @throws Stopped when the run stops. */
  async take(stop: AbortSignal): Promise<Slot> {
    const turn = this.#waiters++;
    while (!stop.aborted) {
      const nowMs = this.#environment.monotonicMs();
      const waitMs = Math.max(this.#pausedUntilMs - nowMs, this.#rate?.waitMs(nowMs) ?? 0);
      if (this.#inFlight >= this.#limit || turn !== this.#taken) {
        await this.#released.wait(stop);
      } else if (waitMs > 0) {
        await sleep(this.#environment, waitMs, stop);
      } else {
        this.#inFlight += 1;
        this.#taken += 1;
        this.#released.notify();
        this.#rate?.add(nowMs);
        return { epoch: this.#epoch, sentMs: nowMs, countedMs: nowMs };
      }
    }
    throw new Stopped();
  }

  /**
   * To be called right before each request of a slot's call leaves: the first, and those that a client of this
   * package sends again. Calls of other clients are counted where they take their slot.
   *
   * @returns undefined if the request may leave now, or what resolves when it may, or when the run stops.
   */
  leave(slot: Slot, stop: AbortSignal): Promise<void> | undefined {
    const nowMs = this.#environment.monotonicMs();
    if (slot.countedMs !== undefined) {
      this.#rate?.remove(slot.countedMs);
      slot.countedMs = undefined;
    }
    const waitMs = this.#rate?.waitMs(nowMs) ?? 0;
    if (waitMs <= 0) {
      this.#rate?.add(nowMs);
      return undefined;
    }
    return sleep(this.#environment, waitMs, stop).then(() =>
      stop.aborted ? undefined : this.leave(slot, stop),
    );
  }

  /** The call of a slot has settled. */
  release(): void {
    this.#inFlight -= 1;
    this.#released.notify();
  }

  /** The server has processed a request: it applied it, or rejected it for its content. */
  taken(): void {
    this.excuse();
    this.accepted += 1;
    this.#takenMs = this.#environment.monotonicMs();
    this.#takenAtLimit += 1;
    if (this.#limit < this.#most && this.#takenAtLimit >= this.#limit) {
      this.#limit += 1;
      this.#takenAtLimit = 0;
    }
  }

  /**
   * The server is throttling, or its response was lost. @param askedPauseMs the pause that it asked for.
   */
  throttled(slot: Slot, askedPauseMs: number | undefined): void {
    const nowMs = this.#environment.monotonicMs();
    this.#beginTrouble(slot);
    let pausedUntilMs = nowMs + (askedPauseMs ?? 0);
    if (slot.epoch === this.#epoch) {
      this.#epoch += 1;
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#takenAtLimit = 0;
      this.throttlings += 1;
      const pauseMs = exponential(this.#environment, pause, this.throttlings);
      // No later than the time to give up, when the last attempt is made.
      const ownUntilMs = Math.min(nowMs + pauseMs, this.#giveUpAtMs(nowMs));
      pausedUntilMs = Math.max(pausedUntilMs, ownUntilMs);
    }
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, pausedUntilMs);
  }

  /** The server failed for a request: once between others that it accepts, this slows nothing down. */
  lost(slot: Slot): void {
    if (this.#troubleSinceMs === undefined) {
      this.#beginTrouble(slot);
    } else {
      this.throttled(slot, undefined);
    }
  }

  /** A request failed for its own grants: the server accepts others. */
  excuse(): void {
    this.throttlings = 0;
    this.#troubleSinceMs = undefined;
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

  #beginTrouble({ sentMs }: Slot): void {
    // On some platforms the clock goes on while the machine sleeps, which is not the server's doing.
    const earliestMs = this.#environment.monotonicMs() - this.timeoutMs;
    this.#troubleSinceMs ??= Math.max(sentMs, this.#takenMs, earliestMs);
  }

  #giveUpAtMs(nowMs: number): number {
    return (this.#troubleSinceMs ?? nowMs) + this.giveUpMs;
  }
}

/**
 * When the next request may be sent, so that a server gets no more than so many in any second that one may
 * pick. Within that they are spaced, a twentieth at a time, so that timers, which are late by a millisecond or
 * so, do not slow a run down.
 */
export class RateLimit {
  readonly #most: number;
  readonly #secondMs: number;
  readonly #burst: number;
  readonly #burstMs: number;
  /** When the last requests were sent, the latest last. */
  #sentMs: number[] = [];

  /** @param perSecond rounded down above 1; below, one request in 1 / `perSecond` seconds. */
  constructor(perSecond: number) {
    this.#most = Math.max(1, Math.floor(perSecond));
    // A fiftieth more than a second, since requests may move closer together on their way.
    this.#secondMs = 1.02 * Math.max(1000, 1000 / perSecond);
    this.#burst = Math.max(1, Math.floor(this.#most / 20));
    this.#burstMs = (this.#burst * this.#secondMs) / this.#most;
  }

  /** Milliseconds until a request may be sent; 0 or less if it may now. */
  waitMs(nowMs: number): number {
    const last = (count: number) => this.#sentMs.at(-count) ?? Number.NEGATIVE_INFINITY;
    return Math.max(last(this.#most) + this.#secondMs, last(this.#burst) + this.#burstMs) - nowMs;
  }

  /** Counts a request that is sent. */
  add(nowMs: number): void {
    this.#sentMs.push(nowMs);
    if (this.#sentMs.length > 2 * this.#most) {
      this.#sentMs = this.#sentMs.slice(-this.#most);
    }
  }

  /** A request that was counted is not sent, or later. */
  remove(countedMs: number): void {
    const index = this.#sentMs.lastIndexOf(countedMs);
    if (index >= 0) {
      this.#sentMs.splice(index, 1);
    }
  }
}
