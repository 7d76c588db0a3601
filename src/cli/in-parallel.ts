/**
 * Calls `work` for each value, so many at a time at most, and resolves when all are done.
 *
 * @throws what the first call that fails throws, after those in flight have settled; no further one is
 * started then.
 */
export async function inParallel<T>(
  values: Iterable<T> | AsyncIterable<T>,
  concurrency: number,
  work: (value: T) => Promise<void>,
): Promise<void> {
  const iterator =
    Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
  let failure: { readonly reason: unknown } | undefined;
  let reading: Promise<unknown> = Promise.resolve();
  // One at a time, as an iterator may not be asked for several values at once.
  const next = () => {
    const result = reading.then(() => iterator.next());
    reading = result.catch(() => undefined);
    return result;
  };
  const worker = async () => {
    while (failure === undefined) {
      try {
        const result = await next();
        if (result.done === true) {
          return;
        }
        await work(result.value);
      } catch (reason) {
        failure ??= { reason };
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (failure !== undefined) {
    await iterator.return?.();
    throw failure.reason;
  }
}
