import type { JsonValue } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Environment, platform, sleep } from "../../common/environment.js";
import { describeError } from "../../errors/describe.js";
import { maskError } from "../../errors/mask.js";
import { unexpectedResponse } from "../../transports/call/status.js";
import { gatewayError } from "../../transports/json/error.js";
import { reasonOf } from "../account.js";
import type { Connection, RequestOptions } from "../connect.js";
import { retryPauseMs } from "../pace.js";
import { type GrantRecord, isRecord, toGrantRecord } from "./record.js";

/** How a text in a query is compared. */
export type TextMethod =
  | "TEXT_QUERY_METHOD_EQUALS"
  | "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE"
  | "TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE";

/** A condition of a search for grants. All conditions of a search must hold. */
export type GrantQuery =
  | { readonly userIdQuery: { readonly userId: string } }
  | { readonly projectIdQuery: { readonly projectId: string } }
  | { readonly projectNameQuery: { readonly projectName: string; readonly method: TextMethod } }
  | { readonly roleKeyQuery: { readonly roleKey: string; readonly method: TextMethod } }
  | { readonly emailQuery: { readonly email: string; readonly method: TextMethod } }
  | { readonly userNameQuery: { readonly userName: string; readonly method: TextMethod } }
  | { readonly userTypeQuery: { readonly type: "TYPE_HUMAN" | "TYPE_MACHINE" } };

export type UserQuery =
  | { readonly emailQuery: { readonly emailAddress: string; readonly method: TextMethod } }
  | { readonly loginNameQuery: { readonly loginName: string; readonly method: TextMethod } };

/** A user, as returned by a search for users. */
export interface UserRecord {
  readonly userId: string;
  readonly userName: string | undefined;
  readonly preferredLoginName: string | undefined;
  readonly loginNames: readonly string[];
}

export interface Page<T> {
  readonly records: readonly T[];
  /** The total number of results. */
  readonly total: number;
}

export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that one request may take; 30,000 when not given. */
  readonly timeoutMs?: number | undefined;
  /** Awaited before each request: a rate limit. */
  readonly turn?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** The platform's when not given. */
  readonly environment?: Environment | undefined;
}

/**
 * ZITADEL's routes for looking up and restoring grants, in the organization of the connection. Reads are
 * retried after transient failures; writes are not, since the caller logs each attempt.
 *
 * Every method throws a ConnectError with ZITADEL's own code and id, or `Unavailable` without a connection.
 */
export interface Lookup {
  /** One page of a search for grants, from `offset` on. */
  searchGrants(queries: readonly GrantQuery[], page: PageRequest): Promise<Page<GrantRecord>>;
  searchUsers(queries: readonly UserQuery[], page: PageRequest): Promise<Page<UserRecord>>;
  /**
   * Reads a grant from the read model, which is eventually consistent. ZITADEL does not compare the user.
   *
   * @returns undefined when it does not exist in this organization (QUERY-wIPkA).
   */
  getGrant(userId: string, grantId: string): Promise<GrantRecord | undefined>;
  /**
   * Whether the account may read all grants of the organization, and not only those of some projects: then a
   * search shows everything that is there.
   */
  mayReadAllGrants(): Promise<boolean>;
  /**
   * Reactivates a grant. ZITADEL v4 returns OK if it is already active; v2.70 rejects it with COMMAND-1ML0v.
   */
  reactivateGrant(userId: string, grantId: string): Promise<void>;
  /**
   * Adds a grant. Rejected with V3-DKcYh when the user already has one of that project, even if it was added
   * by an earlier attempt whose response was lost.
   *
   * @returns the id of the new grant.
   */
  addGrant(grant: NewGrant): Promise<string>;
}

export interface PageRequest {
  readonly offset: number;
  readonly limit: number;
}

export interface NewGrant {
  readonly userId: string;
  readonly projectId: string;
  readonly projectGrantId?: string | undefined;
  readonly roleKeys: readonly string[];
}

const readAttempts = 6;

export function createLookup(connection: Connection, options: LookupOptions = {}): Lookup {
  const { signal, timeoutMs, turn, environment = platform } = options;
  const send = async (path: string, body: unknown, isRead: boolean): Promise<JsonObject> => {
    for (let attempt = 1; ; attempt += 1) {
      await turn?.(signal);
      try {
        return await sendJson(connection, path, { body, signal, timeoutMs });
      } catch (error) {
        if (!isRead || !isTransient(error) || attempt >= readAttempts || signal?.aborted) {
          throw error;
        }
        const pauseMs = retryPauseMs(environment, attempt, ConnectError.from(error));
        await sleep(environment, pauseMs, signal);
      }
    }
  };
  const grantPath = (userId: string, grantId: string) =>
    `/management/v1/users/${encodeURIComponent(userId)}/grants/${encodeURIComponent(grantId)}`;
  return {
    async searchGrants(queries, page) {
      const json = await send(
        "/management/v1/users/grants/_search",
        { query: pageQuery(page), queries },
        true,
      );
      return toPage(json, toGrantRecord);
    },
    async searchUsers(queries, page) {
      const json = await send(
        "/management/v1/users/_search",
        { query: pageQuery(page), queries },
        true,
      );
      return toPage(json, toUserRecord);
    },
    async getGrant(userId, grantId) {
      let json: JsonObject;
      try {
        json = await send(grantPath(userId, grantId), undefined, true);
      } catch (error) {
        if (describeError(error).id === "QUERY-wIPkA") {
          return undefined;
        }
        throw error;
      }
      const record = toGrantRecord(json.userGrant);
      if (record === undefined) {
        throw notZitadel("a grant");
      }
      return record;
    },
    async mayReadAllGrants() {
      const { result } = await send("/auth/v1/permissions/zitadel/me/_search", {}, true);
      // One that is limited to a project, or to a project grant, is followed by its id.
      return Array.isArray(result) && result.includes("user.grant.read");
    },
    async reactivateGrant(userId, grantId) {
      await send(`${grantPath(userId, grantId)}/_reactivate`, {}, false);
    },
    async addGrant({ userId, ...grant }) {
      const path = `/management/v1/users/${encodeURIComponent(userId)}/grants`;
      const { userGrantId } = await send(path, grant, false);
      if (typeof userGrantId !== "string" || userGrantId === "") {
        throw notZitadel("the id of the new grant");
      }
      return userGrantId;
    },
  };
}

/** Ascending, so that grants added meanwhile come last. */
function pageQuery({ offset, limit }: PageRequest) {
  return { offset: String(offset), limit, asc: true };
}

function toPage<T>(json: JsonObject, read: (value: unknown) => T | undefined): Page<T> {
  const { details, result } = json;
  // Both are omitted if they are empty.
  const total = isRecord(details) ? Number(details.totalResult ?? 0) : Number.NaN;
  if (!Number.isSafeInteger(total) || !(result === undefined || Array.isArray(result))) {
    throw notZitadel("the result of a search");
  }
  const records = (result ?? []).map((value: unknown) => {
    const record = read(value);
    if (record === undefined) {
      throw notZitadel("the result of a search");
    }
    return record;
  });
  return { records, total };
}

function toUserRecord(json: unknown): UserRecord | undefined {
  if (!isRecord(json) || typeof json.id !== "string") {
    return undefined;
  }
  const { id, userName, preferredLoginName, loginNames } = json;
  return {
    userId: id,
    userName: typeof userName === "string" ? userName : undefined,
    preferredLoginName: typeof preferredLoginName === "string" ? preferredLoginName : undefined,
    loginNames: Array.isArray(loginNames) ? loginNames.map(String) : [],
  };
}

function notZitadel(what: string): ConnectError {
  return new ConnectError(
    `the response holds JSON, but not ${what}: is this ZITADEL?`,
    Code.Internal,
  );
}

function isTransient(error: unknown): boolean {
  const codes: readonly Code[] = [Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted];
  return error instanceof ConnectError && codes.includes(error.code);
}

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Sends a JSON request to one of ZITADEL's HTTP routes.
 *
 * @throws ConnectError with ZITADEL's code and detail; `ResourceExhausted` for HTTP 429; `Unavailable` when
 * there is no connection; `DeadlineExceeded` when it takes too long; `Canceled` when the signal is aborted.
 */
export async function sendJson(
  connection: Connection,
  path: string,
  options: RequestOptions = {},
): Promise<JsonObject> {
  try {
    return await send(connection, path, options);
  } catch (error) {
    throw maskError(error, connection.mask(), options.signal?.reason);
  }
}

async function send(
  connection: Connection,
  path: string,
  options: RequestOptions,
): Promise<JsonObject> {
  let response: Response;
  let text: string;
  try {
    response = await connection.request(path, options);
    text = await response.text();
  } catch (reason) {
    throw connectionFailure(reason, connection.baseUrl, options.signal);
  }
  const { status, headers, ok } = response;
  const json = parse(text, headers);
  if (ok && isRecord(json)) {
    return json;
  }
  if (status === 429) {
    throw new ConnectError(
      "too many requests (HTTP 429): the server's rate limit",
      Code.ResourceExhausted,
      headers,
    );
  }
  const error = ok ? undefined : gatewayError(json as JsonValue, headers);
  if (error !== undefined) {
    throw error;
  }
  throw unexpectedResponse({
    status,
    headers,
    body: text.slice(0, 2000),
    expected: "JSON",
  });
}

function parse(text: string, headers: Headers): unknown {
  if (!/\bjson\b/i.test(headers.get("content-type") ?? "")) {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function connectionFailure(
  reason: unknown,
  baseUrl: string,
  signal: AbortSignal | undefined,
): ConnectError {
  if (reason instanceof ConnectError) {
    // The token source failed.
    return reason;
  }
  if (signal?.aborted) {
    return new ConnectError("interrupted", Code.Canceled, undefined, undefined, reason);
  }
  return reason instanceof Error && reason.name === "TimeoutError"
    ? new ConnectError(`no response from ${baseUrl} in time`, Code.DeadlineExceeded)
    : new ConnectError(
        `no response from ${baseUrl}: ${reasonOf(reason)}`,
        Code.Unavailable,
        undefined,
        undefined,
        reason,
      );
}
