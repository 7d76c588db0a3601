import { promisify } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

type Compress = (bytes: Uint8Array, options: object) => Promise<Uint8Array<ArrayBuffer>>;

/** gzip by `node:zlib`, which is loaded when a message first needs it. */
export const compressionGzip: Compression = {
  name: "gzip",
  async compress(bytes) {
    const { gzip } = await import("node:zlib");
    return (promisify(gzip) as Compress)(bytes, {});
  },
  async decompress(bytes, readMaxBytes) {
    const { gunzip } = await import("node:zlib");
    return decompress(promisify(gunzip) as Compress, bytes, readMaxBytes);
  },
};

/** Brotli by `node:zlib`, which is loaded when a message first needs it. */
export const compressionBrotli: Compression = {
  name: "br",
  async compress(bytes) {
    const { brotliCompress } = await import("node:zlib");
    return (promisify(brotliCompress) as Compress)(bytes, {});
  },
  async decompress(bytes, readMaxBytes) {
    const { brotliDecompress } = await import("node:zlib");
    return decompress(promisify(brotliDecompress) as Compress, bytes, readMaxBytes);
  },
};

async function decompress(
  run: Compress,
  bytes: Uint8Array,
  readMaxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length === 0) {
    return new Uint8Array();
  }
  try {
    // zlib stops at the limit, so a small answer that unpacks to gigabytes takes no memory.
    return await run(bytes, { maxOutputLength: readMaxBytes });
  } catch (reason) {
    if (reason instanceof Error && "code" in reason && reason.code === "ERR_BUFFER_TOO_LARGE") {
      throw new ConnectError(
        `message is larger than readMaxBytes ${readMaxBytes} after decompression`,
        Code.ResourceExhausted,
      );
    }
    throw new ConnectError(
      "the answer cannot be decompressed",
      Code.Internal,
      undefined,
      undefined,
      reason,
    );
  }
}
