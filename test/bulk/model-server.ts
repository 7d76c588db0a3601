import { create } from "@bufbuild/protobuf";
import type { Client, ContextValues, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type BulkRemoveUserGrantRequest,
  BulkRemoveUserGrantResponseSchema,
  type DeactivateUserGrantRequest,
  DeactivateUserGrantResponseSchema,
  ManagementService,
} from "../../gen/zitadel/management_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import { retrySwitch } from "../../src/client/retry.js";
import { sendGate } from "../../src/common/hooks.js";
import { sleep } from "../../src/common/time.js";
import { withOutcome } from "../../src/errors/certainty.js";
import type { FakeEnvironment } from "../support/fake-environment.js";

/** What becomes of one request. */
export interface Fate {
  /** After so many milliseconds the server looks its grants up; undefined for never. */
  lookUpAfterMs?: number | undefined;
  /** From there to the write, which does not look again. */
  writeMs?: number | undefined;
  /** From the work to the response. */
  responseMs?: number | undefined;
  /** After so many milliseconds the client gets this instead of the server's response. */
  failure?:
    | { afterMs: number; code: Code; retryAfter?: string; notProcessed?: boolean | undefined }
    | undefined;
}

/** A request with a failing grant is an internal error; one with a hanging grant gets no response. */
export type GrantState = "active" | "inactive" | "foreign" | "failing" | "hanging";

export interface Call {
  method: string;
  ids: readonly string[];
  header: Headers;
  timeoutMs: number | undefined;
  startedMs: number;
}

/** ZITADEL's response with an error id. */
export function serverError(code: Code, id: string): ConnectError {
  return new ConnectError(`something (${id})`, code, undefined, [
    { desc: ErrorDetailSchema, value: { id, message: "something" } },
  ]);
}

/** The same as a transport of this package throws it for a request that was not processed. */
export function notApplied(error: ConnectError, sent = true): ConnectError {
  return withOutcome(error, { mayHaveBeenApplied: false, sent });
}

/**
 * A server whose requests meet what the test says, behind Connect's own client. Like ZITADEL, it looks the
 * grants of a request up, and writes later without another look: other requests may have come between, and
 * the client may have given it up long ago.
 */
export class ModelServer {
  readonly grants = new Map<string, GrantState>();
  readonly calls: Call[] = [];
  /** Grants that requests of the run have changed. */
  readonly changed = new Set<string>();
  /** Grants in requests whose client heard nothing that tells what became of them. */
  readonly lostIds = new Set<string>();
  /** From this request on the token is rejected. */
  revokedFrom = Number.POSITIVE_INFINITY;
  /** The response to a second deactivation. */
  inactive: "ok" | "error" = "ok";
  /** How long the client waits for a token, if it is one of this package, which asks the gate. */
  tokenMs: ((index: number) => number) | undefined;
  inFlight = 0;
  mostInFlight = 0;
  fate: (call: Call, index: number) => Fate = () => ({ lookUpAfterMs: 1 });
  readonly #world: FakeEnvironment;

  constructor(world: FakeEnvironment) {
    this.#world = world;
  }

  get client(): Client<typeof ManagementService> {
    const transport: Transport = {
      unary: async (method, signal, timeoutMs, header, input, contextValues) => {
        if (contextValues?.get(retrySwitch) !== false) {
          throw new Error("the client's own retry must be off");
        }
        this.inFlight += 1;
        this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
        try {
          if (this.tokenMs !== undefined) {
            await this.#untilSent(this.tokenMs(this.inFlight), signal, contextValues);
          }
          await this.#exchange(method.name, input, signal, timeoutMs, new Headers(header));
        } finally {
          this.inFlight -= 1;
        }
        const schema =
          method.name === "BulkRemoveUserGrant"
            ? BulkRemoveUserGrantResponseSchema
            : DeactivateUserGrantResponseSchema;
        return {
          ...{ stream: false, service: method.parent, method, message: create(schema) as never },
          ...{ header: new Headers(), trailer: new Headers() },
        };
      },
      stream: () => Promise.reject(new Error("no streams here")),
    };
    return createClient(ManagementService, transport);
  }

  async #untilSent(
    tokenMs: number,
    signal: AbortSignal | undefined,
    contextValues: ContextValues,
  ): Promise<void> {
    const check = () => {
      if (signal?.aborted) {
        throw notApplied(new ConnectError("aborted", Code.Canceled), false);
      }
    };
    await sleep(this.#world, tokenMs, signal);
    check();
    const ready = contextValues
      .get(sendGate)?.()
      ?.catch((reason: unknown) => {
        throw notApplied(ConnectError.from(reason), false);
      });
    if (ready !== undefined) {
      const aborted = new Promise<void>((resolve) =>
        signal?.addEventListener("abort", () => resolve()),
      );
      check();
      await Promise.race([ready, aborted]);
    }
    check();
  }

  #exchange(
    method: string,
    input: unknown,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: Headers,
  ): Promise<void> {
    const remove = method === "BulkRemoveUserGrant";
    const ids = remove
      ? (input as BulkRemoveUserGrantRequest).grantId
      : [(input as DeactivateUserGrantRequest).grantId];
    const call = { method, ids, header, timeoutMs, startedMs: this.#world.monotonicMs() };
    const index = this.calls.push(call) - 1;
    const { lookUpAfterMs, writeMs = 0, responseMs = 1, failure } = this.fate(call, index);
    const revoked = index >= this.revokedFrom;
    return new Promise((resolve, reject) => {
      let heard = false;
      const lose = (error: ConnectError, notProcessed = false) => {
        if (!heard) {
          heard = true;
          if (!notProcessed) {
            this.#lose(ids);
          }
          reject(notProcessed ? notApplied(error) : error);
        }
      };
      const respond = (rejection: ConnectError | undefined) =>
        this.#world.setTimer(() => {
          if (!heard && failure === undefined) {
            heard = true;
            rejection === undefined ? resolve() : reject(rejection);
          }
        }, responseMs);
      signal?.addEventListener("abort", () => lose(new ConnectError("aborted", Code.Canceled)));
      if (timeoutMs !== undefined) {
        this.#world.setTimer(
          () => lose(new ConnectError("late", Code.DeadlineExceeded)),
          timeoutMs,
        );
      }
      if (failure !== undefined) {
        const { afterMs, code, retryAfter, notProcessed } = failure;
        const headers = retryAfter === undefined ? {} : { "retry-after": retryAfter };
        this.#world.setTimer(
          () => lose(new ConnectError("failure", code, headers), notProcessed),
          afterMs,
        );
      }
      if (lookUpAfterMs !== undefined) {
        this.#world.setTimer(() => {
          const rejection = revoked
            ? serverError(Code.Unauthenticated, "AUTH-7fs1e")
            : this.#lookUp(remove, ids);
          if (rejection === "hanging") {
            return;
          }
          if (rejection !== undefined) {
            respond(rejection === "unchanged" ? undefined : rejection);
            return;
          }
          this.#world.setTimer(() => {
            this.#write(remove, ids);
            respond(undefined);
          }, writeMs);
        }, lookUpAfterMs);
      }
    });
  }

  #lose(ids: readonly string[]): void {
    for (const id of ids) {
      this.lostIds.add(id);
    }
  }

  #lookUp(remove: boolean, ids: readonly string[]) {
    for (const id of ids) {
      const state = this.grants.get(id);
      if (state === undefined) {
        return serverError(Code.NotFound, remove ? "COMMAND-1My0t" : "COMMAND-3M9sd");
      }
      if (state === "foreign") {
        return serverError(Code.PermissionDenied, "EVENT-Shu7e");
      }
      if (state === "hanging") {
        return "hanging";
      }
      if (state === "failing") {
        this.#lose(ids);
        return new ConnectError("broken", Code.Internal);
      }
      if (!remove && state === "inactive") {
        return this.inactive === "ok"
          ? "unchanged"
          : serverError(Code.FailedPrecondition, "COMMAND-1S9gx");
      }
    }
    return undefined;
  }

  #write(remove: boolean, ids: readonly string[]): void {
    for (const id of ids) {
      this.changed.add(id);
      if (remove) {
        this.grants.delete(id);
      } else if (this.grants.has(id)) {
        this.grants.set(id, "inactive");
      }
    }
  }
}
