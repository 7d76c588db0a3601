import type { OutcomeEntry } from "./entry.js";

/** What a log says of each grant, by its number, in little memory: a log may be of a million. */
export class GrantStates {
  readonly #statuses: string[] = [""];
  readonly #requestIds: string[] = [""];
  #status = new Uint8Array(1024);
  #confirmed = new Uint8Array(1024);
  #at = new Float64Array(1024);
  #requestId = new Uint32Array(1024);
  /** Outcomes that say more than their status. */
  readonly #details = new Map<number, OutcomeEntry>();

  /** Makes room for this number. */
  include(index: number): void {
    if (index >= this.#status.length) {
      const size = index * 2;
      this.#status = copied(this.#status, new Uint8Array(size));
      this.#confirmed = copied(this.#confirmed, new Uint8Array(size));
      this.#at = copied(this.#at, new Float64Array(size));
      this.#requestId = copied(this.#requestId, new Uint32Array(size));
    }
  }

  /** The response to a request that held these grants came: OK or an error. */
  answered(indexes: readonly number[], ok: boolean, at: string | undefined, requestId = ""): void {
    let id = 0;
    if (requestId !== "" && (ok || indexes.length === 1)) {
      id = this.#requestIds.push(requestId) - 1;
    }
    for (const index of indexes) {
      if (ok) {
        this.#confirmed[index] = 1;
        this.#at[index] = Date.parse(at ?? "") || 0;
      }
      if (id > 0) {
        this.#requestId[index] = id;
      }
    }
  }

  /** It is asked for again: a failure is no outcome any more. */
  asked(index: number): void {
    if (this.status(index) === "failed") {
      this.#status[index] = 0;
      this.#details.delete(index);
    }
  }

  decide(index: number, entry: OutcomeEntry): void {
    let status = this.#statuses.indexOf(entry.status);
    if (status === -1) {
      status = this.#statuses.push(entry.status) - 1;
    }
    this.#status[index] = status;
    this.#at[index] = Date.parse(entry.at ?? "") || 0;
    if (entry.error !== undefined || entry.answerLost) {
      this.#details.set(index, entry);
    } else {
      this.#details.delete(index);
    }
  }

  /** The last status that was written; "" when there is none. */
  status(index: number): string {
    return this.#statuses[this.#status[index] ?? 0] ?? "";
  }

  /** Whether a request that held this grant got OK. */
  confirmed(index: number): boolean {
    return this.#confirmed[index] === 1;
  }

  /** What the last outcome says beside its status. */
  details(index: number): Pick<OutcomeEntry, "answerLost" | "error"> {
    return this.#details.get(index) ?? {};
  }

  /** When it was decided; undefined where that is not known. */
  at(index: number): string | undefined {
    const at = this.#at[index] ?? 0;
    return at === 0 ? undefined : new Date(at).toISOString();
  }

  /** ZITADEL's id of the request that decided it, where there is one. */
  requestId(index: number): string | undefined {
    return (
      this.#details.get(index)?.error?.requestId ??
      (this.#requestIds[this.#requestId[index] ?? 0] || undefined)
    );
  }
}

function copied<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
