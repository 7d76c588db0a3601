/**
 * Extra time for the server beyond the time that is left. The client's clock decides: a server whose timeout
 * expires first responds with various misleading errors.
 */
const serverGraceMs = 1_000;

/** The units of `grpc-timeout` that are used, the finest first: name and length in milliseconds. */
const units = [
  ["m", 1],
  ["S", 1_000],
  ["M", 60_000],
  ["H", 3_600_000],
] as const;

/**
 * The value of `grpc-timeout` for a call that has this much time left: at most eight digits and a unit,
 * rounded up.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export function grpcTimeout(remainingMs: number): string {
  const limitMs = remainingMs + serverGraceMs;
  for (const [unit, lengthMs] of units) {
    const value = Math.ceil(limitMs / lengthMs);
    if (value <= 99_999_999) {
      return `${value}${unit}`;
    }
  }
  return "99999999H";
}
