/**
 * How long a server asks to wait by `Retry-After`, in milliseconds: 0 for a date in the past, undefined if
 * the header is missing or invalid (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: seconds, or a
 * date).
 *
 * @param nowMs milliseconds since the epoch, for a date.
 */
export function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  // Platforms parse other text as a date as well, for example "-5"; HTTP dates begin with the day.
  const waitMs = /^[a-z]{3}/i.test(value) ? Date.parse(value) - nowMs : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/**
 * The same, but `grpc-retry-pushback-ms` takes precedence: infinite means no retry at all
 * (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
 */
export function readPushbackMs(headers: Headers, nowMs: number): number | undefined {
  const value = headers.get("grpc-retry-pushback-ms");
  if (value === null) {
    return readRetryAfterMs(headers, nowMs);
  }
  return /^\d+$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}
