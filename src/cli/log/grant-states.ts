import { StringTable } from "../string-table.js";
import type { OutcomeEntry } from "./entry.js";

/** What a log records about each grant, by number, in little memory: a log may contain a million. */
export class GrantStates {
  readonly #statuses: string[] = [""];
  readonly #requestIds = new StringTable();
  #status = new Uint8Array(1024);
  #confirmed = new Uint8Array(1024);
  #at = new Float64Array(1024);
  /** The number of a request id plus one. */
  #requestId = new Uint32Array(1024);
  /** Outcomes with more than a status. */
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

  /** The response to a request that held these grants arrived: OK or an error. */
  responded(indexes: readonly number[], ok: boolean, at: string | undefined, requestId = ""): void {
    let id = 0;
    if (requestId !== "" && (ok || indexes.length === 1)) {
      id = this.#requestIds.add(requestId) + 1;
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

  /** The grant is requested again, so an earlier failure no longer counts. */
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

  /** The last recorded status; "" if there is no status. */
  status(index: number): string {
    return this.#statuses[this.#status[index] ?? 0] ?? "";
  }

  /** Whether a request that held this grant got OK. */
  confirmed(index: number): boolean {
    return this.#confirmed[index] === 1;
  }

  /** The details of the last outcome. */
  details(index: number): Pick<OutcomeEntry, "answerLost" | "error"> {
    return this.#details.get(index) ?? {};
  }

  /** When it was decided; undefined if unknown. */
  at(index: number): string | undefined {
    const at = this.#at[index] ?? 0;
    return at === 0 ? undefined : new Date(at).toISOString();
  }

  /** ZITADEL's id of the request that decided it, if there is one. */
  requestId(index: number): string | undefined {
    const id = this.#requestId[index] ?? 0;
    return (
      this.#details.get(index)?.error?.requestId ??
      (id === 0 ? undefined : this.#requestIds.at(id - 1))
    );
  }
}

function copied<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
