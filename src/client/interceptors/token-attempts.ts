import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { type Environment, platform } from "../../common/environment.js";
import type { Signal } from "../../common/shared-signal.js";
import { untilAborted } from "../../common/time-limit.js";
import { createMask, rewriteMessage } from "../../errors/mask.js";
import { markNotProcessed } from "../../errors/not-processed.js";
import { headerValueProblem } from "../../options/header-value.js";
import type { TokenSource } from "../../options/token-source.js";
import { deadlineOf } from "../../transports/call/deadline.js";
import { onStreamFailure } from "./mask.js";
import { LazyTokenRequest } from "./token-request.js";

/** How long no new token is requested after a new one has been rejected; doubles each time. */
const firstPauseMs = 1_000;
const maxPauseMs = 30_000;

interface Call {
  readonly stream: boolean;
  readonly signal: AbortSignal;
}

/**
 * Makes calls with the tokens of a source. After UNAUTHENTICATED the source is called again, with the
 * rejected token, and a unary call is retried once, if another token came back. A stream is not retried,
 * since messages may already have been passed on: its rejected token is passed to the source at the next
 * call.
 *
 * When the new token is rejected as well, no further one is requested for a while: servers that reject
 * every token would cost a token request for each call.
 *
 * @param closed aborted when the client is closed: no call waits for a token any longer.
 */
export function createTokenAttempts<C extends Call, R>(
  source: TokenSource,
  environment: Environment = platform,
  closed?: Signal,
) {
  let rejectedByStream: string | undefined;
  let rejectedInARow = 0;
  let pausedUntilMs = Number.NEGATIVE_INFINITY;

  const accept = () => {
    rejectedInARow = 0;
    pausedUntilMs = Number.NEGATIVE_INFINITY;
  };
  const explainPause = (error: unknown): unknown =>
    error instanceof ConnectError
      ? rewriteMessage(
          error,
          `${error.rawMessage}. A token that had just been issued was rejected as well, so no new one is requested for ${Math.ceil((pausedUntilMs - environment.monotonicMs()) / 1000)} s`,
        )
      : error;

  const accepted = (response: R): R => {
    accept();
    return response;
  };

  /** How to handle a failed attempt. */
  const failed = async (call: C, send: Send<C, R>, first: string, error: unknown): Promise<R> => {
    if (call.stream || !isUnauthenticated(error)) {
      throw error;
    }
    if (environment.monotonicMs() < pausedUntilMs) {
      throw explainPause(error);
    }
    const second = await obtain(
      source,
      call,
      first,
      "the token was rejected, and there is no new one",
      closed,
    );
    if (second === first) {
      throw error;
    }
    try {
      return accepted(await send(call, second));
    } catch (again) {
      if (!isUnauthenticated(again)) {
        throw again;
      }
      pausedUntilMs =
        environment.monotonicMs() + Math.min(maxPauseMs, firstPauseMs * 2 ** rejectedInARow++);
      throw explainPause(again);
    }
  };

  const attemptStream = (call: C, send: Send<C, R>, first: string) => {
    const rejectLater = (error: unknown): never => {
      if (isUnauthenticated(error)) {
        rejectedByStream = first;
      }
      throw error;
    };
    return send(call, first).then(
      (response) => onStreamFailure(response as StreamResponse, rejectLater) as R,
      rejectLater,
    );
  };

  const reactions: Reactions<C, R> = { accepted, failed };
  const attempt = (
    call: C,
    send: Send<C, R>,
    rejected: string | undefined,
    first: string,
  ): Promise<R> => {
    if (rejectedByStream === rejected) {
      rejectedByStream = undefined;
    }
    return call.stream ? attemptStream(call, send, first) : send(call, first, reactions);
  };

  // Promises and closures only if there is something to wait for: most sources have a token ready.
  return (call: C, send: Send<C, R>): Promise<R> => {
    const rejected = rejectedByStream;
    const first = obtain(source, call, rejected, "no token, so nothing was sent", closed);
    return typeof first === "string"
      ? attempt(call, send, rejected, first)
      : first.then(attempt.bind(undefined, call, send, rejected));
  };
}

/** Makes one attempt, with the reactions to it: a promise of their own would cost every call. */
export type Send<C, R> = (call: C, token: string, reactions?: Reactions<C, R>) => Promise<R>;

export interface Reactions<C, R> {
  accepted(response: R): R;
  failed(call: C, send: Send<C, R>, token: string, error: unknown): Promise<R>;
}

/** The error of a call that settles while it waits for a token. */
const waitsForToken = () =>
  "the token source was called and has not returned a token: see what it waits for";
const waitsForAnotherToken = () =>
  "since the server rejected the token, the token source was called for another one, which it has not returned: see what it waits for";

function obtain(
  source: TokenSource,
  call: Call,
  refused: string | undefined,
  failure: string,
  closed: Signal | undefined,
): string | Promise<string> {
  try {
    const token = source(new LazyTokenRequest(call, refused));
    return typeof token === "string" && headerValueProblem(token) === undefined
      ? token
      : awaited(token, call, refused, failure, closed);
  } catch (reason) {
    return notSent(reason, call, failure, refused);
  }
}

/** A token that is not ready, or not valid. */
function awaited(
  token: string | Promise<string>,
  call: Call,
  refused: string | undefined,
  failure: string,
  closed: Signal | undefined,
): Promise<string> {
  const ready = Promise.resolve(token);
  const fail = (reason: unknown) =>
    notSent(closed?.aborted ? clientClosed() : reason, call, failure, refused);
  const obtained = (closed === undefined ? ready : untilAborted(ready, closed)).then(checked, fail);
  const deadline = deadlineOf(call);
  if (deadline === undefined) {
    return obtained;
  }
  const { obstacle } = deadline;
  deadline.obstacle = refused === undefined ? waitsForToken : waitsForAnotherToken;
  return obtained.finally(() => {
    deadline.obstacle = obstacle;
  });
}

function clientClosed(): ConnectError {
  return new ConnectError("the client was closed", Code.Canceled);
}

/** The call has not been sent yet, or was rejected for its token. */
function notSent(
  reason: unknown,
  call: Call,
  failure: string,
  refused: string | undefined,
): Promise<never> {
  return Promise.reject(markNotProcessed(noToken(reason, call, failure, refused)));
}

function checked(token: unknown): string {
  const problem = headerValueProblem(token);
  if (problem !== undefined) {
    throw new ConnectError(
      `the token source must return a bearer token without the word "Bearer", got ${problem}`,
      Code.Unauthenticated,
    );
  }
  return token as string;
}

/** The error of a call whose source failed: the same code, with the consequence for the call. */
function noToken(
  reason: unknown,
  { signal }: Call,
  failure: string,
  refused: string | undefined,
): ConnectError {
  if (!(reason instanceof ConnectError)) {
    // A source may name the token that was rejected, which this call has sent.
    const { text } = createMask(refused === undefined ? [] : [refused]);
    return new ConnectError(
      `${failure}: the token source failed: ${text(reason instanceof Error ? reason.message : String(reason))}`,
      Code.Unauthenticated,
      undefined,
      undefined,
      reason,
    );
  }
  // The error of a caller's own source is passed unchanged.
  if (!("oauthError" in reason) || (signal.aborted && reason === signal.reason)) {
    return reason;
  }
  const { rawMessage, code, oauthError } = reason;
  const error = new ConnectError(`${failure}: ${rawMessage}`, code, undefined, undefined, reason);
  return Object.assign(error, { oauthError });
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}
