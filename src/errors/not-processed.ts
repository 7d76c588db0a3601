const errors = new WeakSet<object>();

/** Records that the server did not process the call that failed with this error. */
export function markNotProcessed<E extends object>(error: E): E {
  errors.add(error);
  return error;
}

/**
 * Whether the call that failed with this error provably never reached the server's application: no connection
 * was made, or the server refused the stream, or its GOAWAY excluded it. Such a call can be retried whatever
 * it does. Any other call may have been processed.
 */
export function notProcessed(error: unknown): boolean {
  return typeof error === "object" && error !== null && errors.has(error);
}
