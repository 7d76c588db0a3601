import type { Grant } from "./entities.js";
import { GrantProjection } from "./grant-projection.js";

/** All grants: commands read and write here, searches read the projection. */
export class GrantStore {
  readonly projection: GrantProjection;
  readonly #byId = new Map<string, Grant>();
  /** Most users have one grant, and there may be a million users: a single grant needs no set. */
  readonly #idsOfUser = new Map<string, string | Set<string>>();

  constructor(now: () => number, projectionDelayMs: number) {
    this.projection = new GrantProjection(now, projectionDelayMs);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(grantId: string): Grant | undefined {
    return this.#byId.get(grantId);
  }

  has(grantId: string): boolean {
    return this.#byId.has(grantId);
  }

  /** Adds a grant, or replaces the one with the same id. */
  set(grant: Grant): void {
    if (!this.#byId.has(grant.grantId)) {
      this.#link(grant);
    }
    this.#byId.set(grant.grantId, grant);
    this.projection.record({ orgId: grant.orgId, grantId: grant.grantId, grant });
  }

  delete(grantId: string): void {
    const grant = this.#byId.get(grantId);
    if (grant !== undefined) {
      this.#byId.delete(grantId);
      this.#unlink(grant);
      this.projection.record({ orgId: grant.orgId, grantId, grant: undefined });
    }
  }

  ofUser(userId: string): Grant[] {
    const ids = this.#idsOfUser.get(userId) ?? [];
    return [...(typeof ids === "string" ? [ids] : ids)]
      .map((grantId) => this.#byId.get(grantId))
      .filter((grant) => grant !== undefined);
  }

  #link({ userId, grantId }: Grant): void {
    const ids = this.#idsOfUser.get(userId);
    if (ids === undefined) {
      this.#idsOfUser.set(userId, grantId);
    } else if (typeof ids === "string") {
      this.#idsOfUser.set(userId, new Set([ids, grantId]));
    } else {
      ids.add(grantId);
    }
  }

  #unlink({ userId, grantId }: Grant): void {
    const ids = this.#idsOfUser.get(userId);
    if (typeof ids === "object" && ids.size > 1) {
      ids.delete(grantId);
    } else {
      this.#idsOfUser.delete(userId);
    }
  }
}
