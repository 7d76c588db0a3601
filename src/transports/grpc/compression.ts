import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

type Decompress = (bytes: Uint8Array, limit: { maxOutputLength: number }, done: Done) => void;
type Done = (error: Error | null, result: Uint8Array<ArrayBuffer>) => void;

export const compressionGzip = compression("gzip", "gzip", "gunzip");
export const compressionBrotli = compression("br", "brotliCompress", "brotliDecompress");

/** A compression by functions of `node:zlib`, which is loaded when a message first needs it. */
function compression(
  name: string,
  compress: "gzip" | "brotliCompress",
  decompress: "gunzip" | "brotliDecompress",
): Compression {
  return {
    name,
    async compress(bytes) {
      const zlib = await import("node:zlib");
      return promise((done) => zlib[compress](bytes, done));
    },
    async decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) {
        return new Uint8Array();
      }
      const { [decompress]: run } = await import("node:zlib");
      try {
        // zlib stops at the limit, so a small response that decompresses to gigabytes takes no memory.
        const limit = { maxOutputLength: readMaxBytes };
        return await promise((done) => (run as Decompress)(bytes, limit, done));
      } catch (reason) {
        throw (reason as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE"
          ? new ConnectError(
              `message is larger than readMaxBytes ${readMaxBytes} after decompression`,
              Code.ResourceExhausted,
            )
          : new ConnectError(
              "the response cannot be decompressed",
              Code.Internal,
              undefined,
              undefined,
              reason,
            );
      }
    },
  };
}

/** Not `promisify`: node:util, as a module, takes longer to load than all of this transport. */
function promise(run: (done: Done) => void): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    run((error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
