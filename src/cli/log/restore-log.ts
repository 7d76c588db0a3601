import type { Identity } from "../whoami.js";
import type { LostStep, RestoreOutcome, RestoreStep } from "./entry.js";
import type { LogLock } from "./lock.js";
import { type LogFailure, LogFile } from "./log-file.js";

/** Writes what a restore does into the log of the run that it undoes, so that nothing is done twice. */
export class RestoreLog {
  readonly #file: LogFile;
  #lastStep = 0;

  /**
   * @param wholeBytes up to where the log's lines are complete.
   * @throws UsageError when it cannot be written.
   */
  constructor(path: string, lock: LogLock, wholeBytes: number, identity: Identity) {
    this.#file = new LogFile(path, lock, path, "a", "restore");
    this.#file.truncate(wholeBytes);
    const { accountId, accountName } = identity;
    this.#file.append({ restore: "started", at: now(), accountId, accountName });
  }

  /** Why it cannot be written any more. */
  get failure(): LogFailure | undefined {
    return this.#file.failure;
  }

  /** Writes what is about to be sent, for good. @throws LogFailure */
  async step(grantId: string, what: RestoreStep): Promise<LostStep> {
    this.#lastStep += 1;
    const step = `${this.#file.session}-${this.#lastStep}`;
    const at = now();
    await this.#file.announce({ step, at, do: what, grantId });
    return { number: step, atMs: Date.parse(at) };
  }

  /** Never throws: see `failure`. */
  answer(step: string, ok: boolean, newGrantId?: string): void {
    this.#file.note({
      ...{ stepResponse: step, ok, at: now() },
      ...(newGrantId === undefined ? {} : { newGrantId }),
    });
  }

  /** Never throws, as `answer`. */
  outcome(outcome: RestoreOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /** @throws LogFailure after the lock was given up. */
  async close(because: string): Promise<void> {
    await this.#file.close({ restore: "ended", at: now(), because });
  }
}

const now = () => new Date().toISOString();
