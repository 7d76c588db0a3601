import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { headerValueProblem } from "../header-value.js";
import type { TokenSource } from "../token-source.js";

/** What a client adds to the metadata of its calls. */
export interface Metadata {
  token?: string | TokenSource | undefined;
  orgId?: string | undefined;
  instanceHost?: string | undefined;
}

const headerAuthorization = "authorization";
const headerOrganization = "x-zitadel-orgid";
const headerInstanceHost = "x-zitadel-instance-host";

/**
 * Adds token, organization and instance host to each call. What the call itself has wins, and where it
 * has an empty value, no header is sent.
 *
 * After UNAUTHENTICATED the token source is asked once more, with the refused token. A unary call is
 * then made once more, if another token came back. A stream is not repeated, since messages of it may
 * have been handed on already: its refused token is told to the source at the next call.
 */
export function createMetadataInterceptor(metadata: Metadata): Interceptor {
  const { token, orgId, instanceHost } = metadata;
  let refusedByStream: string | undefined;
  return (next) => async (request) => {
    // A copy: the caller's interceptors hold the original and shall see no token.
    const header = new Headers(request.header);
    const send = (bearer: string | undefined) => {
      if (bearer !== undefined) {
        header.set(headerAuthorization, `Bearer ${bearer}`);
      }
      return next(Object.create(request, { header: { value: header, enumerable: true } }));
    };
    fill(header, headerOrganization, orgId);
    fill(header, headerInstanceHost, instanceHost);
    const own = header.has(headerAuthorization) ? undefined : token;
    fill(header, headerAuthorization, undefined);
    if (typeof own !== "function") {
      return await send(own);
    }
    const { signal } = request;
    const refused = refusedByStream;
    const first = await ask(own, { signal, refused });
    if (refusedByStream === refused) {
      refusedByStream = undefined;
    }
    const refuse = () => {
      refusedByStream = first;
    };
    try {
      const response = await send(first);
      return response.stream ? watch(response, refuse) : response;
    } catch (error) {
      if (!isUnauthenticated(error)) {
        throw error;
      }
      if (request.stream) {
        refuse();
        throw error;
      }
      const second = await ask(own, { signal, refused: first });
      if (second === first) {
        throw error;
      }
      return await send(second);
    }
  };
}

/** Sets a header that the call does not have; one that it has empty is dropped. */
function fill(header: Headers, name: string, value: string | undefined): void {
  const own = header.get(name);
  if (own === null) {
    if (value !== undefined) {
      header.set(name, value);
    }
  } else if (own === "") {
    header.delete(name);
  }
}

async function ask(
  source: TokenSource,
  request: { signal: AbortSignal; refused: string | undefined },
): Promise<string> {
  let token: unknown;
  try {
    token = await source(request);
  } catch (reason) {
    throw reason instanceof ConnectError
      ? reason
      : new ConnectError(
          `the token source failed: ${reason instanceof Error ? reason.message : String(reason)}`,
          Code.Unauthenticated,
          undefined,
          undefined,
          reason,
        );
  }
  const problem = headerValueProblem(token);
  if (problem !== undefined) {
    throw new ConnectError(
      `the token source must return a bearer token without the word "Bearer", got ${problem}`,
      Code.Unauthenticated,
    );
  }
  return token as string;
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}

/** Hands a stream on, and says when it ends as UNAUTHENTICATED. */
function watch(response: StreamResponse, onUnauthenticated: () => void): StreamResponse {
  const iterate = async function* () {
    try {
      yield* response.message;
    } catch (error) {
      if (isUnauthenticated(error)) {
        onUnauthenticated();
      }
      throw error;
    }
  };
  return { ...response, message: iterate() };
}
