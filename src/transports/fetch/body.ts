/**
 * The body of a response as it arrives; in one piece if `fetch` provides no stream (React Native). Cancels
 * the rest when the consumer stops reading.
 */
export async function* bodyChunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    yield new Uint8Array(await response.arrayBuffer());
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
  response.body?.cancel().catch(() => undefined);
}
