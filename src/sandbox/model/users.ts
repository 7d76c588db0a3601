import type { User } from "./entities.js";

/** The known data of a user; the rest is made up. */
export type UserInit = Pick<User, "userId" | "orgId" | "createdAtMs"> & {
  readonly [K in keyof User]?: User[K] | undefined;
};

/** A user that only a grant names: all data is made up, from the id. */
export class MadeUpUser implements User {
  readonly userId: string;
  readonly orgId: string;
  readonly createdAtMs: number;
  readonly type = "human";
  readonly preferredLanguage = undefined;
  readonly memberships = [];

  constructor(userId: string, orgId: string, createdAtMs: number) {
    this.userId = userId;
    this.orgId = orgId;
    this.createdAtMs = createdAtMs;
  }

  // Not stored, but created on access: there may be a million of these users.
  get userName(): string {
    return `user-${this.userId}`;
  }
  get loginName(): string {
    return this.userName;
  }
  get firstName(): string {
    return "User";
  }
  get lastName(): string {
    return this.userId;
  }
  get displayName(): string {
    return `User ${this.userId}`;
  }
  get email(): string {
    return `${this.userName}@example.com`;
  }
}

export function createUser({ type = "human", ...init }: UserInit): User {
  const { userId, orgId, createdAtMs, memberships = [], preferredLanguage } = init;
  const madeUp = new MadeUpUser(userId, orgId, createdAtMs);
  const [first = madeUp.firstName, ...rest] = init.displayName?.split(" ") ?? [];
  const firstName = init.firstName ?? first;
  const lastName = init.lastName ?? (rest.join(" ") || madeUp.lastName);
  const userName = init.userName ?? init.loginName ?? init.email ?? madeUp.userName;
  const isHuman = type === "human";
  return {
    userId,
    orgId,
    type,
    userName,
    loginName: init.loginName ?? userName,
    displayName: init.displayName ?? (isHuman ? `${firstName} ${lastName}` : userName),
    firstName: isHuman ? firstName : undefined,
    lastName: isHuman ? lastName : undefined,
    email: isHuman ? (init.email ?? madeUp.email) : undefined,
    preferredLanguage,
    memberships,
    createdAtMs,
  };
}
