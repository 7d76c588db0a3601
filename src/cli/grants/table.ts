import type { UserGrant } from "../../bulk/index.js";

/** Grants in order of arrival, each once, with the ids of their users if known. */
export class GrantTable {
  readonly #numbers = new Map<string, number>();
  readonly #grants: { readonly grantId: string; userId: string }[] = [];
  readonly #users = new Set<string>();

  get size(): number {
    return this.#grants.length;
  }

  /** How many different users are known. */
  get userCount(): number {
    return this.#users.size;
  }

  /** Returns the grant's number. A user id that arrives later than the grant is kept. */
  add(grantId: string, userId = ""): number {
    let index = this.#numbers.get(grantId);
    if (index === undefined) {
      index = this.#grants.push({ grantId, userId }) - 1;
      this.#numbers.set(grantId, index);
    } else if (userId !== "") {
      this.grant(index).userId = userId;
    }
    if (userId !== "") {
      this.#users.add(userId);
    }
    return index;
  }

  /** -1 when there is no such grant. */
  indexOf(grantId: string): number {
    return this.#numbers.get(grantId) ?? -1;
  }

  grantId(index: number): string {
    return this.grant(index).grantId;
  }

  /** Empty if unknown. */
  userId(index: number): string {
    return this.grant(index).userId;
  }

  grant(index: number): UserGrant & { userId: string } {
    const grant = this.#grants[index];
    if (grant === undefined) {
      throw new RangeError(`there is no grant with number ${index}`);
    }
    return grant;
  }
}
