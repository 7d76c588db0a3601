import {
  boolean,
  type Checks,
  integer,
  isFunction,
  isHeaderValue,
  isObject,
  show,
  timeMs,
} from "../options/checker.js";
import type { DeactivateOutcome, Outcome, RemoveOutcome } from "./outcome.js";

/** What `removeUserGrants` and `deactivateUserGrants` both take. Undefined counts as not given. */
export interface BulkOptions<O extends Outcome<string>> {
  /**
   * Requests in flight at most, from 1 to 1000; fewer while the server is throttling. When not given, 4 for
   * removals and 1 for deactivations.
   *
   * Deactivations at the same time are faster and risk that some have no effect although the response was OK:
   * ZITADEL before the fix of September 2026 can skip an event when several are written at once
   * (https://github.com/zitadel/zitadel/issues/8517). Measured: 1 to 6 of 2,600 with 8 at a time, none of 43,000
   * with 1, and none of 100,000 removals.
   */
  concurrency?: number | undefined;
  /**
   * Requests a second at most, above 0 and up to 100,000; no limit when not given. It holds in every second
   * that one may pick, counted where requests leave. Retries count, and those of the client after a rejected
   * token. Values above 1 are rounded down; 0.5 is one request every two seconds.
   */
  maxPerSecond?: number | undefined;
  /**
   * A hard stop: no further request is sent, requests in flight are cancelled, and every grant that was read
   * and is undecided is `failed`. The run throws `Canceled` with the signal's reason as cause. It waits a second
   * at most for a client, a source or an `onOutcome` that does not settle.
   */
  signal?: AbortSignal | undefined;
  /** The organization of the grants: `x-zitadel-orgid` of each call, in place of the client's. */
  orgId?: string | undefined;
  /** Milliseconds that one request may take, from 1; 30,000 when not given. */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds, from 1, for which the server may accept no request at all before the run stops with its
   * last error; 300,000 (five minutes) when not given. A single request that is throttled for so long, while
   * others are not, has failed. Requests in flight still have their `timeoutMs`, and time spent waiting for the
   * source does not count.
   */
  giveUpMs?: number | undefined;
  /**
   * Declares that every id occurs only once. The run then forgets ids that have their outcome, so that its
   * memory does not grow. A duplicate is dropped while the first one has no outcome yet; after that, it is
   * requested again and has an outcome of its own. Required beyond 16,777,216 ids, the limit of a `Set`.
   */
  distinct?: boolean | undefined;
  /**
   * Called with every outcome before it is yielded, including outcomes produced after the consumer stopped
   * iterating. What it returns is awaited only at the end of the run. If it throws or rejects, the run stops
   * with that error.
   */
  onOutcome?: ((outcome: O) => unknown) | undefined;
}

/** Options of `removeUserGrants`. */
export interface RemoveUserGrantsOptions extends BulkOptions<RemoveOutcome> {
  /** Grants in one request at most, from 1; 100 when not given. */
  batchSize?: number | undefined;
}

/** Options of `deactivateUserGrants`. */
export interface DeactivateUserGrantsOptions extends BulkOptions<DeactivateOutcome> {}

export const deactivateChecks: Checks<DeactivateUserGrantsOptions> = {
  concurrency: integer("requests", 1, 1000),
  maxPerSecond: [
    "a number of requests a second, above 0 and up to 100000",
    (value) => typeof value === "number" && value > 0 && value <= 100_000,
  ],
  signal: [
    "an AbortSignal",
    (value) => isObject(value) && "aborted" in value && "addEventListener" in value,
  ],
  orgId: ["the id of an organization: visible ASCII characters without spaces", isHeaderValue],
  timeoutMs: timeMs(1),
  giveUpMs: timeMs(1),
  distinct: boolean,
  onOutcome: ["a function", isFunction],
};

export const removeChecks: Checks<RemoveUserGrantsOptions> = {
  ...deactivateChecks,
  batchSize: integer("grants", 1, Number.MAX_SAFE_INTEGER),
};

/**
 * Rejects a client that lacks the method to be called, and values that are not iterable. A string would be
 * iterated character by character.
 */
export function checkInput(client: unknown, method: string, values: unknown, what: string): void {
  const methods = client as Readonly<Record<string, unknown>> | null | undefined;
  if (typeof methods?.[method] !== "function") {
    throw new TypeError(
      `client must be a client of zitadel.management.v1.ManagementService; got ${show(client)} without ${method}`,
    );
  }
  if (
    typeof values !== "object" ||
    values === null ||
    !(Symbol.asyncIterator in values || Symbol.iterator in values)
  ) {
    throw new TypeError(
      `${what} must be an Iterable or AsyncIterable, such as an array or a generator; got ${show(values)}`,
    );
  }
}

/** Why a value is not a valid id; undefined if it is valid. */
export function grantIdProblem(value: unknown): string | undefined {
  if (typeof value !== "string") {
    return `${value === null ? "null" : typeof value}, not a string`;
  }
  if (value === "") {
    return "empty";
  }
  if (value.includes("\0")) {
    return "with a NUL character, which ZITADEL's database does not take";
  }
  if (requestBytes(value) > mostRequestBytes) {
    return "longer than what the server takes in a request";
  }
  if (!value.isWellFormed()) {
    // Encoding would turn it into another id.
    return "not well-formed Unicode";
  }
  // From a file with Windows line ends, for example. The server would report such a grant as not found, and
  // the grant that is meant would remain.
  const [unseen] = invisible.exec(value) ?? [];
  return unseen === undefined
    ? undefined
    : `surrounded by white space, or holds an invisible character (U+${unseen.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")})`;
}

/**
 * White space around an id, control and format characters, and what has no glyph of its own
 * (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point); the empty Braille pattern has one, of
 * no dots.
 */
const invisible = /^\s|\s$|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** The server accepts 4 MiB; the difference is for what surrounds the ids. */
export const mostRequestBytes = 4 * 1024 * 1024 - 64 * 1024;

/** How many bytes an id takes in a request: in UTF-8, with tag and length in protobuf, or quotes and comma in JSON. */
export function requestBytes(grantId: string): number {
  let bytes = grantId.length + 6;
  for (let i = 0; i < grantId.length; i++) {
    const unit = grantId.charCodeAt(i);
    if (unit > 0x7f) {
      // A surrogate is half of a character of four bytes.
      bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
    }
  }
  return bytes;
}
