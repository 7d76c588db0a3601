import { Code, ConnectError } from "@connectrpc/connect";
import { type Environment, exponential, platform } from "../common/time.js";
import { asConnectError, causedBy, decisionOf, wasSent, withExtras } from "../errors/certainty.js";
import { createMask, rewriteMessage } from "../errors/mask.js";
import { isHeaderValue, kindOf } from "../options/checker.js";
import type { TokenSource } from "../options/options.js";
import type { Attempt, Send, StreamFields } from "../transports/call/attempt.js";
import type { Call, HeaderFields } from "../transports/call/call.js";

/** The metadata that a client adds to its calls. */
export interface Metadata {
  token?: string | TokenSource | undefined;
  orgId?: string | undefined;
  instanceHost?: string | undefined;
}

export interface Credentials {
  /** Adds the metadata to attempts, and makes one more with another token after UNAUTHENTICATED. */
  attempts(send: Send): Send;
  /**
   * The header fields of a stream. It is not repeated, since messages may already have been passed on: its
   * rejected token is passed to the source at the next call.
   */
  stream(own: HeaderFields, call: Call): Promise<StreamFields>;
}

const headerAuthorization = "authorization";
const headerOrganization = "x-zitadel-orgid";
const headerInstanceHost = "x-zitadel-instance-host";
const optional = [headerAuthorization, headerOrganization, headerInstanceHost];

/** How long no new token is requested after a new one has been rejected; doubles each time. */
const pauseOnRejection = { firstMs: 1_000, maxMs: 30_000 };

/**
 * Adds token, organization and instance host to each attempt. Fields of the call take precedence, and an empty
 * one removes the field.
 *
 * After UNAUTHENTICATED the token source is called again, with the rejected token, and a unary call is retried
 * once if another token came back. When that is rejected as well, no further one is requested for a while:
 * servers that reject every token would cost a token request for each call.
 */
export function createCredentials(
  { token, orgId, instanceHost }: Metadata,
  environment: Environment = platform,
): Credentials {
  const fixed: HeaderFields = {
    ...(orgId && { [headerOrganization]: orgId }),
    ...(instanceHost && { [headerInstanceHost]: instanceHost }),
    ...(typeof token === "string" && { [headerAuthorization]: `Bearer ${token}` }),
  };
  const source = typeof token === "function" ? token : undefined;
  let last: { readonly bearer: string; readonly fields: HeaderFields } | undefined;
  const withBearer = (bearer: string): HeaderFields => {
    if (last?.bearer !== bearer) {
      last = { bearer, fields: { ...fixed, [headerAuthorization]: `Bearer ${bearer}` } };
    }
    return last.fields;
  };

  let rejectedByStream: string | undefined;
  /** Undefined for a call that has a token of its own, or is to have none. */
  const bearerFor = (own: HeaderFields, call: Call): string | Promise<string> | undefined => {
    if (source === undefined || Object.hasOwn(own, headerAuthorization)) {
      return undefined;
    }
    const rejected = rejectedByStream;
    rejectedByStream = undefined;
    return obtain(source, call, rejected);
  };
  /** The last token that was rejected although it had just been issued. */
  let rejected: { bearer: string; rounds: number; untilMs: number } | undefined;
  const pausedMs = (bearer: string) =>
    rejected?.bearer === bearer ? rejected.untilMs - environment.monotonicMs() : 0;
  /** Once for all calls that fail with this token. */
  const pause = (first: string, second: string) => {
    if (pausedMs(second) <= 0) {
      const rounds = rejected?.bearer === first ? rejected.rounds + 1 : 1;
      const ms = exponential(environment, pauseOnRejection, rounds);
      rejected = { bearer: second, rounds, untilMs: environment.monotonicMs() + ms };
    }
  };
  const explainPause = (error: ConnectError, bearer: string): ConnectError =>
    rewriteMessage(
      error,
      `${error.rawMessage}. A token that had just been issued was rejected as well, so no new one is requested for ${Math.ceil(pausedMs(bearer) / 1000)} s`,
    );

  const retryWithAnotherToken = async (
    send: Send,
    attempt: Attempt,
    source: TokenSource,
    first: string,
    reason: unknown,
  ) => {
    if (!isRejectedToken(reason)) {
      throw reason;
    }
    if (pausedMs(first) > 0) {
      throw explainPause(reason, first);
    }
    const second = await obtain(source, attempt.call, first);
    if (second === first) {
      throw reason;
    }
    try {
      return await send(withFields(attempt, withBearer(second)));
    } catch (again) {
      if (!isRejectedToken(again)) {
        throw again;
      }
      pause(first, second);
      throw explainPause(again, second);
    }
  };

  return {
    attempts: (send) => (attempt) => {
      const token = bearerFor(attempt.fields, attempt.call);
      if (source === undefined || token === undefined) {
        return send(withFields(attempt, fixed));
      }
      const sendWith = (bearer: string) =>
        send(withFields(attempt, withBearer(bearer))).catch((reason) =>
          retryWithAnotherToken(send, attempt, source, bearer, reason),
        );
      // Most sources have a token ready, and waiting costs.
      return typeof token === "string" ? sendWith(token) : token.then(sendWith);
    },

    async stream(own, call) {
      const bearer = await bearerFor(own, call);
      return {
        fields: merge(own, bearer === undefined ? fixed : withBearer(bearer)),
        onRejected() {
          rejectedByStream = bearer;
        },
      };
    },
  };
}

function withFields(
  { method, url, fields, message, call, contextValues }: Attempt,
  added: HeaderFields,
) {
  return { method, url, fields: merge(fields, added), message, call, contextValues };
}

/** Most calls have no fields of their own, and then all calls of a client share one object. */
function merge(own: HeaderFields, added: HeaderFields): HeaderFields {
  const names = Object.keys(own);
  if (names.length === 0) {
    return added;
  }
  const merged: Record<string, string> = { ...added, ...own };
  for (const name of optional) {
    if (merged[name] === "") {
      delete merged[name];
    }
  }
  return merged;
}

function isRejectedToken(reason: unknown): reason is ConnectError {
  return (
    reason instanceof ConnectError &&
    reason.code === Code.Unauthenticated &&
    decisionOf(reason) === "rejected"
  );
}

/** A promise only if there is something to wait for: most sources have a token ready. */
function obtain(
  source: TokenSource,
  call: Call,
  refused: string | undefined,
): string | Promise<string> {
  try {
    const token = source({ refused, signal: call.signal });
    return isHeaderValue(token) ? token : awaitToken(token, call, refused);
  } catch (reason) {
    return Promise.reject(noToken(reason, call, refused));
  }
}

/** Waits for a token that is not ready, or is not valid. */
async function awaitToken(
  token: string | Promise<string>,
  call: Call,
  refused: string | undefined,
): Promise<string> {
  const problem =
    refused === undefined
      ? "the token source has not returned a token"
      : "the server rejected the token, and the token source has not returned another one";
  const before = call.explain(() => `${problem}: see what it waits for`);
  try {
    const value: unknown = await call.waitFor(Promise.resolve(token));
    if (!isHeaderValue(value)) {
      throw new ConnectError(
        `the token source must return a bearer token without the word "Bearer", got ${kindOf(value)}`,
        Code.Unauthenticated,
      );
    }
    return value;
  } catch (reason) {
    throw call.ended ? reason : noToken(reason, call, refused);
  } finally {
    call.explain(before);
  }
}

/** The error of a call whose source failed: the same code, with the consequence for the call. */
function noToken(reason: unknown, call: Call, refused: string | undefined): ConnectError {
  call.keep(reason);
  const failure =
    refused === undefined ? "no token" : "the token was rejected, and there is no new one";
  if (!(reason instanceof ConnectError)) {
    // A source may name the token that was rejected.
    const { text } = createMask([...call.secrets, ...(refused === undefined ? [] : [refused])]);
    const why = text(asConnectError(reason).rawMessage);
    const message = `${failure}: the token source failed: ${why}`;
    return causedBy(reason, message, Code.Unauthenticated);
  }
  if ("oauthError" in reason) {
    const { rawMessage, code } = reason;
    return withExtras(causedBy(reason, `${failure}: ${rawMessage}`, code), reason);
  }
  // The error of a caller's own source stays as it is, unless it is of another call.
  return wasSent(reason) === undefined
    ? reason
    : new ConnectError(reason.rawMessage, reason.code, reason.metadata, undefined, reason);
}
