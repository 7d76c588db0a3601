import { create } from "@bufbuild/protobuf";
import type { Client, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type BulkRemoveUserGrantRequest,
  BulkRemoveUserGrantResponseSchema,
  type DeactivateUserGrantRequest,
  DeactivateUserGrantResponseSchema,
  ManagementService,
} from "../../gen/zitadel/management_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import { retrySwitch } from "../../src/client/interceptors/retry-switch.js";
import type { FakeEnvironment } from "../support/fake-environment.js";

/** What becomes of one request. */
export interface Fate {
  /** After so many milliseconds the server works on it; undefined for never. */
  workAfterMs?: number | undefined;
  /** After so many milliseconds the client gets this instead of the server's response. */
  failure?: { afterMs: number; code: Code; retryAfter?: string } | undefined;
  /** From work to response. */
  responseMs?: number | undefined;
}

export type GrantState = "active" | "inactive" | "foreign" | "failing";

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

/**
 * A server whose requests meet what the test says, behind Connect's own client. Each request is worked
 * on at one instant, as a whole or not at all, possibly long after its client has given it up.
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
  inFlight = 0;
  mostInFlight = 0;
  fate: (call: Call, index: number) => Fate = () => ({ workAfterMs: 1 });
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
          await this.#exchange(method.name, input, signal, timeoutMs, new Headers(header));
        } finally {
          this.inFlight -= 1;
        }
        return {
          stream: false,
          service: method.parent,
          method,
          header: new Headers(),
          trailer: new Headers(),
          message: create(
            method.name === "BulkRemoveUserGrant"
              ? BulkRemoveUserGrantResponseSchema
              : DeactivateUserGrantResponseSchema,
          ) as never,
        };
      },
      stream: () => Promise.reject(new Error("no streams here")),
    };
    return createClient(ManagementService, transport);
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
    const { workAfterMs, failure, responseMs = 1 } = this.fate(call, index);
    const revoked = index >= this.revokedFrom;
    return new Promise((resolve, reject) => {
      let heard = false;
      const lose = (error: ConnectError) => {
        if (!heard) {
          heard = true;
          this.#lose(ids);
          reject(error);
        }
      };
      signal?.addEventListener("abort", () => lose(new ConnectError("aborted", Code.Canceled)));
      if (timeoutMs !== undefined) {
        this.#world.setTimer(
          () => lose(new ConnectError("late", Code.DeadlineExceeded)),
          timeoutMs,
        );
      }
      if (failure !== undefined) {
        const { afterMs, code, retryAfter } = failure;
        const headers = retryAfter === undefined ? {} : { "retry-after": retryAfter };
        this.#world.setTimer(() => lose(new ConnectError("failure", code, headers)), afterMs);
      }
      if (workAfterMs !== undefined) {
        this.#world.setTimer(() => {
          const refusal = revoked
            ? serverError(Code.Unauthenticated, "AUTH-7fs1e")
            : this.#work(remove, ids);
          this.#world.setTimer(() => {
            if (!heard && failure === undefined) {
              heard = true;
              refusal === undefined ? resolve() : reject(refusal);
            }
          }, responseMs);
        }, workAfterMs);
      }
    });
  }

  #lose(ids: readonly string[]): void {
    for (const id of ids) {
      this.lostIds.add(id);
    }
  }

  #work(remove: boolean, ids: readonly string[]): ConnectError | undefined {
    for (const id of ids) {
      const state = this.grants.get(id);
      if (state === undefined) {
        return serverError(Code.NotFound, remove ? "COMMAND-1My0t" : "COMMAND-3M9sd");
      }
      if (state === "foreign") {
        return serverError(Code.PermissionDenied, "EVENT-Shu7e");
      }
      if (state === "failing") {
        this.#lose(ids);
        return new ConnectError("broken", Code.Internal);
      }
      if (!remove && state === "inactive") {
        return this.inactive === "ok"
          ? undefined
          : serverError(Code.FailedPrecondition, "COMMAND-1S9gx");
      }
    }
    for (const id of ids) {
      this.changed.add(id);
      if (remove) {
        this.grants.delete(id);
      } else {
        this.grants.set(id, "inactive");
      }
    }
    return undefined;
  }
}
