import type { Code } from "@connectrpc/connect";

/** The RPCs that the sandbox serves; those but the first two as HTTP/JSON alone. */
export const rpcNames = [
  "DeactivateUserGrant",
  "BulkRemoveUserGrant",
  "ReactivateUserGrant",
  "AddUserGrant",
  "GetUserGrantByID",
  "ListUserGrants",
  "ListUsers",
  "GetMyOrg",
] as const;

/** The RPCs that the sandbox serves, by their names in the protos. */
export type RpcName = (typeof rpcNames)[number];

/** What goes wrong with a call. */
export interface Fault {
  /** Undefined for any. */
  readonly rpc: RpcName | undefined;
  /** Undefined when the call is made. */
  readonly code: Code | undefined;
  readonly id: string | undefined;
  readonly message: string;
  readonly delayMs: number;
  /** Whether the connection is reset in place of a response. */
  readonly lost: boolean;
}

/** The faults that are to happen, each to the next calls that it is meant for. */
export class FaultQueue {
  readonly #waiting: { readonly fault: Fault; times: number }[] = [];

  add(fault: Fault, times: number): void {
    this.#waiting.push({ fault, times });
  }

  /** The fault of a call, if it has one. */
  take(rpc: RpcName): Fault | undefined {
    const index = this.#waiting.findIndex(({ fault }) => (fault.rpc ?? rpc) === rpc);
    const found = this.#waiting[index];
    if (found === undefined) {
      return undefined;
    }
    found.times -= 1;
    if (found.times <= 0) {
      this.#waiting.splice(index, 1);
    }
    return found.fault;
  }
}

/** Thrown in place of a response: the work is done, and the connection is to be reset. */
export class ResponseLost extends Error {
  constructor() {
    super("the response is lost");
    this.name = "ResponseLost";
  }
}
