import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { createMask, type Mask } from "../../common/mask.js";
import { secretsOf } from "../../common/secret-names.js";
import { maskError } from "../../errors/mask-error.js";
import { markNotProcessed } from "../../errors/not-processed.js";
import { headerValueProblem } from "../../options/header-value.js";
import type { TokenSource } from "../../options/token-source.js";
import type {
  AddedHeaders,
  HeaderAdder,
  HeaderAddingInterceptor,
} from "../../transports/call/header-adder.js";

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
export function createMetadataInterceptor(metadata: Metadata): HeaderAddingInterceptor {
  const addHeaders = createHeaderAdder(metadata);
  const interceptor: Interceptor = (next) => (request) =>
    addHeaders(request, request.header, (header) =>
      next(Object.create(request, { header: { value: header, enumerable: true } })),
    );
  return Object.assign(interceptor, { addHeaders });
}

function createHeaderAdder({ token, orgId, instanceHost }: Metadata): HeaderAdder {
  const fixed: Record<string, string> = {
    ...(orgId && { [headerOrganization]: orgId }),
    ...(instanceHost && { [headerInstanceHost]: instanceHost }),
  };
  let refusedByStream: string | undefined;
  const maskFor = createMaskFor();

  return (call, own, attempt) => {
    const source = own?.has(headerAuthorization) ? undefined : token;
    const send = async (bearer: string | undefined) => {
      const headers = merge(
        own,
        bearer === undefined ? fixed : { ...fixed, authorization: `Bearer ${bearer}` },
      );
      const fail = (reason: unknown): never => {
        const { signal } = call;
        throw maskError(reason, maskFor(headers), signal.aborted ? signal.reason : undefined);
      };
      try {
        const response = await attempt(headers);
        return call.stream
          ? (onFailure(response as StreamResponse, fail) as typeof response)
          : response;
      } catch (reason) {
        return fail(reason);
      }
    };
    return typeof source === "function" ? withSource(source, call, send) : send(source);
  };

  async function withSource<R>(
    source: TokenSource,
    call: { readonly stream: boolean; readonly signal: AbortSignal },
    send: (bearer: string) => Promise<R>,
  ): Promise<R> {
    const refused = refusedByStream;
    const first = await ask(source, call, refused);
    if (refusedByStream === refused) {
      refusedByStream = undefined;
    }
    const refuse = () => {
      refusedByStream = first;
    };
    try {
      const response = await send(first);
      if (!call.stream) {
        return response;
      }
      return onFailure(response as StreamResponse, (error) => {
        if (isUnauthenticated(error)) {
          refuse();
        }
        throw error;
      }) as R;
    } catch (error) {
      if (!isUnauthenticated(error)) {
        throw error;
      }
      if (call.stream) {
        refuse();
        throw error;
      }
      const second = await ask(source, call, first);
      if (second === first) {
        throw error;
      }
      return await send(second);
    }
  }
}

/** A copy, since the caller's interceptors hold the call's own headers and shall see no token. */
function merge(own: Headers | undefined, added: Record<string, string>): AddedHeaders {
  if (own === undefined) {
    return added;
  }
  const merged = new Headers({ ...added, ...Object.fromEntries(own) });
  for (const name of [headerAuthorization, headerOrganization, headerInstanceHost]) {
    if (merged.get(name) === "") {
      merged.delete(name);
    }
  }
  return merged;
}

async function ask(
  source: TokenSource,
  call: { readonly signal: AbortSignal },
  refused: string | undefined,
): Promise<string> {
  let token: unknown;
  try {
    // A getter: most sources have a token at hand, and making a signal is dear.
    const request = {
      refused,
      get signal() {
        return call.signal;
      },
    };
    token = await source(request);
  } catch (reason) {
    // The call has not gone out yet, or was refused for its token.
    throw markNotProcessed(
      reason instanceof ConnectError
        ? reason
        : new ConnectError(
            `the token source failed: ${reason instanceof Error ? reason.message : String(reason)}`,
            Code.Unauthenticated,
            undefined,
            undefined,
            reason,
          ),
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

/** Passes a stream on. @param fail is called with the error that the stream fails with, and throws. */
function onFailure(response: StreamResponse, fail: (error: unknown) => never): StreamResponse {
  const iterate = async function* () {
    try {
      yield* response.message;
    } catch (error) {
      fail(error);
    }
  };
  return { ...response, message: iterate() };
}

/** The mask for what a call sends; kept from call to call, since most send the same token. */
function createMaskFor(): (headers: AddedHeaders) => Mask {
  let known: { key: string; mask: Mask } | undefined;
  return (headers) => {
    const secrets = secretsOf(
      Symbol.iterator in headers ? (headers as Headers) : Object.entries(headers),
    );
    const key = secrets.join("\n");
    if (known?.key !== key) {
      known = { key, mask: createMask(secrets) };
    }
    return known.mask;
  };
}
