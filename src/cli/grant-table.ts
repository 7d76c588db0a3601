import type { UserGrant } from "../bulk/index.js";
import { StringTable } from "./string-table.js";

/** Grants in order of arrival, each once, with the ids of their users if known. */
export class GrantTable {
  readonly #grants = new StringTable();
  readonly #users = new StringTable();
  /** The number of a grant's user plus one. */
  #userOf = new Uint32Array(1024);

  get size(): number {
    return this.#grants.size;
  }

  /** How many different users are known. */
  get userCount(): number {
    return this.#users.size;
  }

  /** Returns the grant's number. A user id that arrives later than the grant is kept. */
  add(grantId: string, userId?: string): number {
    const index = this.#grants.add(grantId);
    if (userId !== undefined && userId !== "") {
      if (index >= this.#userOf.length) {
        const userOf = new Uint32Array(index * 2);
        userOf.set(this.#userOf);
        this.#userOf = userOf;
      }
      this.#userOf[index] = this.#users.add(userId) + 1;
    }
    return index;
  }

  /** -1 when there is no such grant. */
  indexOf(grantId: string): number {
    return this.#grants.indexOf(grantId);
  }

  grantId(index: number): string {
    return this.#grants.at(index);
  }

  /** Empty if unknown. */
  userId(index: number): string {
    const user = this.#userOf[index] ?? 0;
    return user === 0 ? "" : this.#users.at(user - 1);
  }

  grant(index: number): UserGrant {
    return { grantId: this.grantId(index), userId: this.userId(index) };
  }
}
