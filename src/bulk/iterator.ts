/** The iterator of the caller's iterable. */
export function openIterator(
  values: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncIterator<unknown> | Iterator<unknown> {
  return Symbol.asyncIterator in values
    ? values[Symbol.asyncIterator]()
    : values[Symbol.iterator]();
}

/** @throws TypeError for what no iterator may return from `next()`, as `for await` does. */
export function checkResult(result: unknown): IteratorResult<unknown> {
  if (typeof result !== "object" || result === null) {
    throw new TypeError(
      `next() of the iterator of grants must return an object with done and value, got ${String(result)}`,
    );
  }
  return result as IteratorResult<unknown>;
}
