import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, Code, ConnectError, createClient } from "@connectrpc/connect";
import { AuthService } from "../../../gen/tool/auth_pb.js";
import {
  AuthorizationFieldName,
  AuthorizationService,
  type AuthorizationsSearchFilterSchema,
} from "../../../gen/tool/authorization_pb.js";
import { TextFilterMethod } from "../../../gen/tool/filter_pb.js";
import { ManagementService } from "../../../gen/tool/management_pb.js";
import { TextQueryMethod } from "../../../gen/tool/object_pb.js";
import { Type, type UserGrantQuerySchema } from "../../../gen/tool/user_pb.js";
import { isPermanent, platform, sleep, wasSent } from "../../bulk/internal.js";
import { describeError } from "../../index.js";
import type { Connection } from "../connect.js";
import { type Change, changeOf, dateOf, type RecordedState } from "../log/entry.js";
import { giveUpAfterMs, Patience } from "../pace.js";
import { fromAuthorization, fromUserGrant, type GrantRecord } from "./record.js";

/** A condition of a search for grants. All conditions of a search must hold; emails ignore case. */
export type GrantQuery = readonly [
  by: "userId" | "projectId" | "projectName" | "roleKey" | "email" | "userType",
  value: string,
];

/** A part of a list. */
export interface Page {
  readonly records: readonly GrantRecord[];
  /** How many there are in all. */
  readonly total: number;
  /** Which state of the projection it shows: another one where anything has changed in between. */
  readonly version: string;
}

export interface PageRequest {
  readonly offset: number;
  readonly limit: number;
}

type NewGrant = Pick<RecordedState, "projectId" | "projectGrantId" | "roleKeys"> & {
  readonly userId: string;
};

export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Awaited before each request: a rate limit. */
  readonly turn?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Called before each pause, after the server did not accept a request. */
  readonly onPause?: ((error: ConnectError, pauseMs: number) => void) | undefined;
  /** For how long requests are retried that the server does not accept; 300,000 ms when not given, as in a run. */
  readonly giveUpMs?: number | undefined;
  /** The same where no connection could be made yet; as long as `giveUpMs` when not given. */
  readonly connectMs?: number | undefined;
}

export interface AuthorizationFilters {
  readonly organizationId?: string | undefined;
  readonly grantIds?: readonly string[] | undefined;
  /** Those that are `isSortable`. */
  readonly queries?: readonly GrantQuery[] | undefined;
}

/** ZITADEL does not compare the user of a grant, but requires one. */
const anyUser = "0";
/** A list of 100,000 grants takes seconds. */
const listTimeoutMs = 120_000;

export type Lookup = ReturnType<typeof createLookup>;

/**
 * ZITADEL's methods for finding, reading and restoring grants, in the organization of the connection, over its
 * protocol. Reads are retried as long as a run retries; writes are not, since the caller logs each attempt.
 *
 * Every method throws a ConnectError with ZITADEL's own code and id, or `Unavailable` without a connection.
 */
export function createLookup(connection: Connection, options: LookupOptions = {}) {
  const { signal, turn, onPause, giveUpMs = giveUpAfterMs, connectMs = giveUpMs } = options;
  const management = createClient(ManagementService, connection.transport);
  const auth = createClient(AuthService, connection.transport);
  // The gateway, which serves JSON, has no route for it.
  const routed = connection.protocol === "json" ? connection.over("grpc-web") : connection;
  const authorization = createClient(AuthorizationService, routed.transport);
  const patience = new Patience();

  const once = async <T>(send: (call: CallOptions) => Promise<T>, timeoutMs?: number) => {
    await turn?.(signal);
    const value = await send({ ...(signal && { signal }), ...(timeoutMs && { timeoutMs }) });
    patience.renew();
    return value;
  };
  const read = async <T>(
    send: (call: CallOptions) => Promise<T>,
    timeoutMs?: number,
    isRetried = isTransient,
  ) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(send, timeoutMs);
      } catch (reason) {
        const error = ConnectError.from(reason);
        if (!isRetried(error) || signal?.aborted) {
          throw error;
        }
        const limitMs = wasSent(error) === false ? connectMs : giveUpMs;
        const pauseMs = patience.pauseMs(error, attempt, limitMs);
        if (pauseMs === undefined) {
          throw error;
        }
        onPause?.(error, pauseMs);
        await sleep(platform, pauseMs, signal);
      }
    }
  };

  /**
   * A part of a list that has **no order**: pages overlap, and leave grants out. Complete is a response that
   * holds the total.
   *
   * @returns undefined when a response would be too large.
   */
  async function listGrants(
    queries: readonly GrantQuery[],
    { offset, limit }: PageRequest,
  ): Promise<Page | undefined> {
    const request = {
      query: { offset: BigInt(offset), limit, asc: true },
      queries: queries.map(([by, value]) => ({ query: searches[by](value) })),
    };
    // A quota has an id of ZITADEL.
    const mayBeTooLarge = (error: ConnectError) =>
      limit > 1 && error.code === Code.ResourceExhausted && describeError(error).id === undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await read(
          (call) => management.listUserGrants(request, call),
          listTimeoutMs,
          (error) => isTransient(error) && !mayBeTooLarge(error),
        );
        const { totalResult, processedSequence, viewTimestamp } = present(
          response.details,
          "a list of grants",
        );
        return {
          records: response.result.map(fromUserGrant),
          total: Number(totalResult),
          version: `${processedSequence} ${dateOf(viewTimestamp)}`,
        };
      } catch (reason) {
        const error = ConnectError.from(reason);
        if (!mayBeTooLarge(error)) {
          throw error;
        }
        if (attempt === 2) {
          return undefined;
        }
        // A rate limit has the same code. It is over when one row comes; what is too large fails again.
        await listGrants(queries, { offset, limit: 1 });
      }
    }
  }

  return {
    listGrants,
    /**
     * A part of a list in the order of ids, at most 1,000, of all organizations unless `organizationId` is given.
     * It holds what the account may see, and its total what there is. It does not tell emails, types of users and
     * project grants.
     *
     * @returns undefined when the server does not have this method (ZITADEL v2.70), or it cannot be reached.
     */
    async listAuthorizations(
      filters: AuthorizationFilters,
      { offset, limit }: PageRequest,
    ): Promise<Page | undefined> {
      const request = {
        pagination: { offset: BigInt(offset), limit, asc: true },
        sortingColumn: AuthorizationFieldName.ID,
        filters: toFilters(filters),
      };
      try {
        const { pagination, authorizations } = await read(
          (call) => authorization.listAuthorizations(request, call),
          listTimeoutMs,
        );
        return {
          records: authorizations.map(fromAuthorization),
          total: Number(pagination?.totalResult ?? 0),
          version: "",
        };
      } catch (error) {
        if (isUnavailableMethod(ConnectError.from(error))) {
          return undefined;
        }
        throw error;
      }
    },
    /** Reads a grant from the read model. Undefined when it is not in this organization (QUERY-wIPkA). */
    async getGrant(grantId: string): Promise<GrantRecord | undefined> {
      try {
        const { userGrant } = await read((call) =>
          management.getUserGrantByID({ userId: anyUser, grantId }, call),
        );
        return fromUserGrant(present(userGrant, "a grant"));
      } catch (error) {
        if (describeError(error).id === "QUERY-wIPkA") {
          return undefined;
        }
        throw error;
      }
    },
    /**
     * Whether the account may read all grants of the organization, and not only those of some projects: then
     * what is not shown is not there.
     */
    async mayReadAllGrants(): Promise<boolean> {
      const { result } = await read((call) => auth.listMyZitadelPermissions({}, call));
      // One that is limited to a project, or to a project grant, is followed by its id.
      return result.includes("user.grant.read");
    },
    /** Whose token it is, and the organization that the account belongs to. */
    async account() {
      const { user } = await read((call) => auth.getMyUser({}, call));
      const account = present(user, "the account of the token");
      return {
        userId: account.id,
        name: account.preferredLoginName || account.userName || undefined,
        homeOrgId: account.details?.resourceOwner || undefined,
      };
    },
    /** The organization of the calls. */
    async organization(): Promise<{ readonly id: string; readonly name: string }> {
      const { org } = await read((call) => management.getMyOrg({}, call));
      const { id, name } = present(org, "an organization");
      return { id, name };
    },
    /** Reactivates a grant. ZITADEL v4 returns OK if it is active already; v2.70 rejects it with COMMAND-1ML0v. */
    async reactivateGrant(grantId: string): Promise<Change> {
      const request = { userId: anyUser, grantId };
      return changeOf(await once((call) => management.reactivateUserGrant(request, call)));
    },
    /**
     * Adds a grant, and returns its id. Rejected with V3-DKcYh when the user already has one of that project,
     * even if it was added by an earlier attempt whose response was lost.
     */
    async addGrant({
      userId,
      projectId,
      projectGrantId = "",
      roleKeys,
    }: NewGrant): Promise<string> {
      const request = { userId, projectId, projectGrantId, roleKeys: [...roleKeys] };
      const { userGrantId } = await once((call) => management.addUserGrant(request, call));
      return present(userGrantId || undefined, "the id of the new grant");
    },
  };
}

type Search = NonNullable<MessageInitShape<typeof UserGrantQuerySchema>["query"]>;
type Filter = NonNullable<MessageInitShape<typeof AuthorizationsSearchFilterSchema>["filter"]>;
type By = GrantQuery[0];

const exactly = { method: TextQueryMethod.EQUALS };
const ignoreCase = { method: TextQueryMethod.EQUALS_IGNORE_CASE };

/** How `listGrants` is asked for a condition. */
const searches: Readonly<Record<By, (value: string) => Search>> = {
  userId: (userId) => ({ case: "userIdQuery", value: { userId } }),
  projectId: (projectId) => ({ case: "projectIdQuery", value: { projectId } }),
  projectName: (projectName) => ({ case: "projectNameQuery", value: { projectName, ...exactly } }),
  roleKey: (roleKey) => ({ case: "roleKeyQuery", value: { roleKey, ...exactly } }),
  email: (email) => ({ case: "emailQuery", value: { email, ...ignoreCase } }),
  userType: (value) => {
    const type = value === "human" ? Type.HUMAN : Type.MACHINE;
    return { case: "userTypeQuery", value: { type } };
  },
};

const equals = { method: TextFilterMethod.EQUALS };

/** The same for `listAuthorizations`, which knows fewer. */
const filters: Readonly<Partial<Record<By, (value: string) => Filter>>> = {
  userId: (id) => ({ case: "inUserIds", value: { ids: [id] } }),
  projectId: (id) => ({ case: "projectId", value: { id } }),
  projectName: (name) => ({ case: "projectName", value: { name, ...equals } }),
  roleKey: (key) => ({ case: "roleKey", value: { key, ...equals } }),
};

/** Whether `listAuthorizations` knows a condition. */
export function isSortable([by]: GrantQuery): boolean {
  return by in filters;
}

function toFilters({ organizationId, grantIds, queries = [] }: AuthorizationFilters) {
  const wanted: Filter[] = queries.flatMap(([by, value]) => filters[by]?.(value) ?? []);
  if (organizationId !== undefined) {
    wanted.push({ case: "organizationId", value: { id: organizationId } });
  }
  if (grantIds !== undefined) {
    wanted.push({ case: "authorizationIds", value: { ids: [...grantIds] } });
  }
  return wanted.map((filter) => ({ filter }));
}

/** @throws ConnectError when a response lacks what ZITADEL always sends. */
function present<T>(value: T | undefined, what: string): T {
  if (value === undefined || (typeof value === "object" && value && "id" in value && !value.id)) {
    throw new ConnectError(`the response does not hold ${what}: is this ZITADEL?`, Code.Internal);
  }
  return value;
}

function isTransient(error: ConnectError): boolean {
  const codes: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted];
  return codes.includes(error.code) && !isPermanent(error);
}

/** What does not come from ZITADEL comes from a proxy that lets this protocol not through. */
function isUnavailableMethod(error: ConnectError): boolean {
  return error.code === Code.Unimplemented || (!error.isWireError && error.code !== Code.Canceled);
}
