/**
 * Calls `work` for each value, at most `concurrency` at a time, and resolves when all are done.
 *
 * @throws the error of the first call that fails, after those in flight have settled; no further call is
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
  // One at a time, as an iterator may not support concurrent `next()` calls.
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
