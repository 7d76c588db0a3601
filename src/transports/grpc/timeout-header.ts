/** The units of `grpc-timeout` that are needed, the finest first: name and length in milliseconds. */
const units = [
  ["m", 1],
  ["S", 1_000],
  ["M", 60_000],
  ["H", 3_600_000],
] as const;

/**
 * The value of `grpc-timeout`: at most eight digits and a unit. Rounded up, so that the server does
 * not give up before the client does.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export function grpcTimeout(remainingMs: number): string {
  for (const [unit, lengthMs] of units) {
    const value = Math.max(1, Math.ceil(remainingMs / lengthMs));
    if (value <= 99_999_999) {
      return `${value}${unit}`;
    }
  }
  return "99999999H";
}
