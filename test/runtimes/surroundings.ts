/** What the servers of a run are, made by the program that starts it. */
export interface Surroundings {
  baseUrl: string;
  /** A server with the same token that takes a minute for each call. */
  slowBaseUrl: string;
  /** A server of native gRPC that closes a connection with each response; not for other protocols. */
  goingAwayBaseUrl?: string;
  /** Whether the protocol keeps `x-request-id` from programs of another origin. */
  hidesRequestId?: boolean;
  /** A service user's key and who issued it: not in pages, where keys do not belong. */
  serviceUser?: { issuer: string; key: string };
  token: string;
  orgId: string;
  /** How many calls are made at once, and how many grants are removed in bulk. */
  many: number;
  /** Grants of its own, as many as `grantsNeeded`. */
  grants: { userId: string; grantId: string }[];
}

/** What came of one check of the suite. */
export interface Result {
  title: string;
  /** What went wrong, if anything did. */
  error?: string;
}

/** How many grants the suite uses up. */
export const grantsNeeded = ({ many }: Pick<Surroundings, "many">) => 4 + 2 * many;
