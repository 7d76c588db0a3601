/**
 * The body of a response as it arrives; in one piece where `fetch` gives no stream (React Native). Lets
 * go of the rest when nobody reads on.
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

/** The first characters of a body, for an error message: what came before the connection broke, if it did. */
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
    // What was read before is what there is to show.
  }
  return text;
}

/** Lets go of a body that nobody will read. */
export function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}
