import type { Code } from "@connectrpc/connect";

/** The RPCs that the sandbox serves; all except the first two only over HTTP/JSON. */
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

/** An injected fault of a call. */
export interface Fault {
  /** Undefined for any. */
  readonly rpc: RpcName | undefined;
  /** Undefined if the call is executed. */
  readonly code: Code | undefined;
  readonly id: string | undefined;
  readonly message: string;
  readonly delayMs: number;
  /** Whether the connection is reset instead of a response. */
  readonly lost: boolean;
}

/** The pending faults, each for the next calls that it applies to. */
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

/** Thrown instead of a response: the call is applied, and the connection is to be reset. */
export class ResponseLost extends Error {
  constructor() {
    super("the response is lost");
    this.name = "ResponseLost";
  }
}
