import { bodyChunks } from "../../transports/fetch/body.js";

/** Documents and tokens are a few kilobytes. */
const maxBytes = 1024 * 1024;

/**
 * Reads a body as text, up to 1 MiB after decompression; undefined for a longer one, which is not read to its
 * end.
 */
export async function readBody(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of bodyChunks(response)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      return undefined;
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
