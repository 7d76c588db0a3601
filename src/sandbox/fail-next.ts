import { Code } from "@connectrpc/connect";
import {
  boolean,
  type Checks,
  checkOptions,
  integer,
  isObject,
  oneOf,
  show,
  text,
  timeMs,
} from "../options/checker.js";
import { type FaultQueue, type RpcName, rpcNames } from "./model/faults.js";

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
  rpc: oneOf(rpcNames),
};

/** @throws TypeError with the reason. */
export function failNext(faults: FaultQueue, init: FaultInit): void {
  if (!isObject(init)) {
    throw new TypeError(`failNext takes an object; got ${show(init)}`);
  }
  const {
    code,
    id,
    message,
    times = 1,
    delayMs = 0,
    lost = false,
    rpc,
  }: FaultInit = checkOptions(init, checks);
  if (code === undefined && delayMs === 0 && !lost) {
    throw new TypeError("failNext needs at least one of code, delayMs and lost");
  }
  if (code !== undefined && lost) {
    throw new TypeError("failNext takes code or lost: what has failed loses no response");
  }
  if (code === undefined && (id !== undefined || message !== undefined)) {
    throw new TypeError("failNext takes id and message only with code");
  }
  const fault = { rpc, code, id, message: message ?? "a fault of failNext", delayMs, lost };
  faults.add(fault, times);
}
