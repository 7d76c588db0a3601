import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { own } from "../../options/checker.js";

/** gzip by `node:zlib`, which is loaded when a message first needs it. */
export const compressionGzip: Compression = {
  name: "gzip",
  async compress(bytes) {
    const { gzip } = await import("node:zlib");
    return promise((done) => gzip(bytes, done));
  },
  async decompress(bytes, readMaxBytes) {
    const { gunzip } = await import("node:zlib");
    return decompress(gunzip, bytes, readMaxBytes);
  },
};

/** Brotli by `node:zlib`, which is loaded when a message first needs it. */
export const compressionBrotli: Compression = {
  name: "br",
  async compress(bytes) {
    const { brotliCompress } = await import("node:zlib");
    return promise((done) => brotliCompress(bytes, done));
  },
  async decompress(bytes, readMaxBytes) {
    const { brotliDecompress } = await import("node:zlib");
    return decompress(brotliDecompress, bytes, readMaxBytes);
  },
};

type Done = (error: Error | null, result: Uint8Array<ArrayBuffer>) => void;

/** Not `promisify`: node:util, as a module, takes longer to load than all of this transport. */
function promise(run: (done: Done) => void): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    run((error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

async function decompress(
  run: (bytes: Uint8Array, options: { maxOutputLength: number }, done: Done) => void,
  bytes: Uint8Array,
  readMaxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length === 0) {
    return new Uint8Array();
  }
  try {
    // zlib stops at the limit, so a small response that decompresses to gigabytes takes no memory.
    return await promise((done) => run(bytes, own({ maxOutputLength: readMaxBytes }), done));
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && reason.code === "ERR_BUFFER_TOO_LARGE") {
      throw new ConnectError(
        `message is larger than readMaxBytes ${readMaxBytes} after decompression`,
        Code.ResourceExhausted,
      );
    }
    throw new ConnectError(
      "the response cannot be decompressed",
      Code.Internal,
      undefined,
      undefined,
      reason,
    );
  }
}
