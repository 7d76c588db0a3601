/** What the servers of a run are, made by the program that starts it. */
export interface Surroundings {
  baseUrl: string;
  /** A server with the same token that takes a minute for each call. */
  slowBaseUrl: string;
  /** A server of native gRPC that closes a connection with each answer; not for other protocols. */
  goingAwayBaseUrl?: string;
  token: string;
  orgId: string;
  /** Grants of nobody else, as many as `grantsNeeded`. */
  grants: { userId: string; grantId: string }[];
}

/** What came of one check of the suite. */
export interface Result {
  title: string;
  /** What went wrong, if anything did. */
  error?: string;
}

export const manyCalls = 300;
export const manyGrants = 250;
export const grantsNeeded = 3 + manyCalls + manyGrants;
