/** As much of a body as `fetch` of platforms and libraries has in common. */
interface Body extends Partial<AsyncIterable<Uint8Array>> {
  getReader?(): ReadableStreamDefaultReader<Uint8Array>;
  cancel?(): Promise<void>;
  destroy?(): void;
}

/**
 * The body of a response as it arrives: a web stream, or a stream of Node (node-fetch, cross-fetch); in one piece
 * if there is none (React Native). Cancels the rest when the consumer stops reading.
 */
export async function* bodyChunks(response: Response): AsyncGenerator<Uint8Array> {
  const body = response.body as Body | null | undefined;
  const reader = body?.getReader?.();
  if (reader === undefined) {
    if (body?.[Symbol.asyncIterator] === undefined) {
      yield new Uint8Array(await response.arrayBuffer());
    } else {
      yield* body as AsyncIterable<Uint8Array>;
    }
    return;
  }
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** The first characters of a body, for an error message: whatever arrived before the connection broke. */
export async function bodyStart(response: Response, maxBytes = 1024): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of bodyChunks(response)) {
      text += decoder.decode(chunk.subarray(0, maxBytes), { stream: true });
      if (text.length >= maxBytes) {
        break;
      }
    }
  } catch {
    // Show what was read before.
  }
  return text;
}

/** Cancels a body that is not going to be read. */
export function discard(response: Response): void {
  const body = response.body as Body | null | undefined;
  body?.cancel?.().catch(() => undefined);
  body?.destroy?.();
}
