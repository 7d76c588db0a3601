import { Code } from "@connectrpc/connect";
import {
  boolean,
  type Checks,
  checkOptions,
  integer,
  oneOf,
  text,
  timeMs,
} from "../../options/checker.js";

/** The RPCs that the sandbox serves. */
export const rpcNames = [
  "DeactivateUserGrant",
  "BulkRemoveUserGrant",
  "ReactivateUserGrant",
  "AddUserGrant",
  "GetUserGrantByID",
  "ListUserGrants",
  "ListUsers",
  "GetMyOrg",
  "GetMyUser",
  "ListMyZitadelPermissions",
  "ListAuthorizations",
] as const;

/** The RPCs that the sandbox serves, by their names in the protos. */
export type RpcName = (typeof rpcNames)[number];

/** A fault of the next calls. At least one of `code`, `delayMs` and `lost` is required. */
export interface FaultInit {
  /** The call fails with this code, and has no effect. */
  readonly code?: Code | undefined;
  /** The id of ZITADEL's error detail, `"COMMAND-3M9sd"`. Only with `code`. Default: no detail. */
  readonly id?: string | undefined;
  /** Only with `code`. Default: one that names `failNext`. */
  readonly message?: string | undefined;
  /** The number of calls that are affected, from 1. Default: 1. */
  readonly times?: number | undefined;
  /** Milliseconds by which the call is delayed. Default: 0. */
  readonly delayMs?: number | undefined;
  /** `true`: the call is applied, and the connection is reset before its response. Not with `code`. */
  readonly lost?: boolean | undefined;
  /**
   * Only with `lost`: the call looks up what it needs at once, and is applied this many milliseconds after the
   * connection was reset, as when a database is stalled. Default: it is applied before.
   */
  readonly applyAfterMs?: number | undefined;
  /** The RPC that is affected. Default: any. */
  readonly rpc?: RpcName | undefined;
}

const checks: Checks<FaultInit> = {
  code: [
    "a Code of Connect",
    (value) => Number.isInteger(value) && Code[value as Code] !== undefined,
  ],
  id: text,
  message: text,
  times: integer("calls", 1, Number.MAX_SAFE_INTEGER),
  delayMs: timeMs(0),
  lost: boolean,
  applyAfterMs: timeMs(0),
  rpc: oneOf(rpcNames),
};

/** The pending faults, each for the next calls that it applies to. */
export class FaultQueue {
  readonly #waiting: { readonly fault: FaultInit; times: number }[] = [];

  /** @throws TypeError with the reason. */
  add(init: FaultInit): void {
    const fault: FaultInit = checkOptions(init, checks, { caller: "failNext" });
    const { code, id, message, times = 1, delayMs = 0, lost = false, applyAfterMs } = fault;
    const rules: [boolean, string][] = [
      [code !== undefined || delayMs > 0 || lost, "needs at least one of code, delayMs and lost"],
      [code === undefined || !lost, "takes code or lost: what has failed loses no response"],
      [
        code !== undefined || (id === undefined && message === undefined),
        "takes id and message only with code",
      ],
      [applyAfterMs === undefined || lost, "takes applyAfterMs only with lost"],
    ];
    const [, broken] = rules.find(([holds]) => !holds) ?? [];
    if (broken !== undefined) {
      throw new TypeError(`failNext ${broken}`);
    }
    this.#waiting.push({ fault, times });
  }

  /** The fault of a call, if it has one. */
  take(rpc: RpcName): FaultInit | undefined {
    const index = this.#waiting.findIndex(({ fault }) => (fault.rpc ?? rpc) === rpc);
    const found = this.#waiting[index];
    if (found !== undefined) {
      found.times -= 1;
      this.#waiting.splice(index, found.times > 0 ? 0 : 1);
    }
    return found?.fault;
  }
}
