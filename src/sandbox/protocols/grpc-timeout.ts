import { platform } from "../../common/environment.js";
import { type HttpRequest, type HttpResponse, headerOf, plainTextError } from "../http/http.js";
import type { Deadline } from "./rpc.js";

const unitsMs: Record<string, number> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1 / 1_000,
  n: 1 / 1_000_000,
};

/**
 * The deadline of a call after its `grpc-timeout` header, if it has one; for a malformed one, the
 * response to send instead. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function readDeadline(
  request: HttpRequest,
): { deadline: Deadline | undefined } | { rejection: HttpResponse } {
  const value = headerOf(request, "grpc-timeout");
  if (value === undefined || value === "") {
    return { deadline: undefined };
  }
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  const unitMs = unitsMs[unit];
  if (digits === undefined || unitMs === undefined) {
    return { rejection: plainTextError(400, `malformed grpc-timeout: ${explain(value)}`) };
  }
  return { deadline: { timeoutMs: Number(digits) * unitMs, startedAtMs: platform.monotonicMs() } };
}

function explain(value: string): string {
  if (value.length < 2) {
    return `transport: timeout string is too short: "${value}"`;
  }
  if (value.length > 9) {
    return `transport: timeout string is too long: "${value}"`;
  }
  if (unitsMs[value.slice(-1)] === undefined) {
    return `transport: timeout unit is not recognized: "${value}"`;
  }
  return `strconv.ParseUint: parsing "${value.slice(0, -1)}": invalid syntax`;
}
