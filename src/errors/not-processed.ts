const errors = new WeakSet<object>();

/** Remembers that the server did no work for the call that failed with this error. */
export function markNotProcessed<E extends object>(error: E): E {
  errors.add(error);
  return error;
}

/**
 * Whether the call that failed with this error provably never reached the server's application: no
 * connection was made, or the server refused the stream, or its GOAWAY did not count it in. Such a
 * call can be made again whatever it does. Anything else may have been processed.
 */
export function notProcessed(error: unknown): boolean {
  return typeof error === "object" && error !== null && errors.has(error);
}
