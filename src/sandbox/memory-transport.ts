import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { registerForClose } from "../client/close.js";
import { createTransport } from "../grpc-web.js";
import type { Dispatch } from "./dispatch.js";

/**
 * A transport that uses gRPC-web with the sandbox in memory: everything is serialized, framed and parsed as on
 * a connection. It adds the token and the organization to a call that lacks them; an empty organization means
 * no organization.
 */
export function createMemoryTransport(
  host: string,
  { token, orgId }: { readonly token: string; readonly orgId: string },
  dispatch: Dispatch,
): Transport {
  const closed = new AbortController();
  const inMemory = async (url: string, { method = "", headers, body, signal }: RequestInit) => {
    closed.signal.throwIfAborted();
    const response = await dispatch({
      method,
      path: new URL(url).pathname,
      query: "",
      httpVersion: 1,
      host,
      headers: Object.fromEntries(new Headers(headers)),
      body: bodyOf(body as Uint8Array),
      signal: AbortSignal.any([closed.signal, ...(signal ? [signal] : [])]),
    });
    if (response.lost) {
      throw new ConnectError("the connection was reset", Code.Unavailable);
    }
    const content =
      typeof response.body === "string" ? response.body : Buffer.from(response.body ?? []);
    return new Response(content, { status: response.status, headers: response.headers });
  };
  const { unary, stream } = createTransport({
    baseUrl: `http://${host}`,
    token,
    orgId,
    allowInsecure: true,
    defaultTimeoutMs: 0,
    readMaxBytes: 0xffffffff,
    fetch: inMemory as typeof fetch,
  });
  return registerForClose({ unary, stream }, () =>
    closed.abort(new ConnectError("the sandbox was closed", Code.Canceled)),
  );
}

async function* bodyOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
