import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";

/**
 * Holds the memory of sessions until streams that were broken off are collected. Node aborts the process if
 * it collects a session first, while such a stream still has a part of a header block
 * (https://github.com/nodejs/node/issues/35233).
 */
const held = new FinalizationRegistry<object>(() => undefined);

/** What Node's part in C++ hangs on, which a session forgets as soon as it is destroyed. */
export function memoryOf(session: ClientHttp2Session): object | undefined {
  const name = Object.getOwnPropertySymbols(session).find((one) => one.description === "kHandle");
  const handle: unknown = name && (session as unknown as Record<symbol, unknown>)[name];
  return typeof handle === "object" && handle !== null ? handle : undefined;
}

export function holdFor(stream: ClientHttp2Stream, memory: object | undefined): void {
  if (memory !== undefined) {
    held.register(stream, memory);
  }
}
