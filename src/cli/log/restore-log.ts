import { platform, timestamp } from "../../common/environment.js";
import type { Identity } from "../whoami.js";
import type { LostStep, RestoreOutcome, RestoreStep } from "./entry.js";
import type { LogLock } from "./lock.js";
import { type LogFailure, LogFile } from "./log-file.js";

/** Records the steps of a restore in the log of the run that it undoes, so that none is done twice. */
export class RestoreLog {
  readonly #file: LogFile;
  #lastStep = 0;

  /**
   * @param wholeBytes the length of the log's complete lines, in bytes.
   * @throws UsageError when it cannot be written.
   */
  constructor(path: string, lock: LogLock, wholeBytes: number, identity: Identity) {
    this.#file = new LogFile(path, lock, path, "a", "restore");
    this.#file.truncate(wholeBytes);
    const { accountId, accountName } = identity;
    this.#file.append({ restore: "started", at: now(), accountId, accountName });
  }

  /** Why it can no longer be written. */
  get failure(): LogFailure | undefined {
    return this.#file.failure;
  }

  /** Durably records what is about to be sent. @throws LogFailure */
  async step(grantId: string, what: RestoreStep): Promise<LostStep> {
    this.#lastStep += 1;
    const step = `${this.#file.session}-${this.#lastStep}`;
    const at = now();
    await this.#file.announce({ step, at, do: what, grantId });
    return { number: step, atMs: Date.parse(at) };
  }

  /** Never throws: see `failure`. */
  response(step: string, ok: boolean, newGrantId?: string): void {
    this.#file.note({
      ...{ stepResponse: step, ok, at: now() },
      ...(newGrantId === undefined ? {} : { newGrantId }),
    });
  }

  /** Never throws, as `response`. */
  outcome(outcome: RestoreOutcome): void {
    this.#file.note({ ...outcome, at: now() });
  }

  /** @throws LogFailure after the lock was released. */
  async close(because: string): Promise<void> {
    await this.#file.close({ restore: "ended", at: now(), because });
  }
}

const now = () => timestamp(platform);
