import type { Interceptor } from "@connectrpc/connect";
import type { TokenSource } from "../../options/token-source.js";
import type {
  AddedHeaders,
  HeaderAdder,
  HeaderAddingInterceptor,
} from "../../transports/call/header-adder.js";
import { createMasking } from "./mask.js";
import { createTokenAttempts } from "./token-attempts.js";

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
 */
export function createMetadataInterceptor(metadata: Metadata): HeaderAddingInterceptor {
  const addHeaders = createHeaderAdder(metadata);
  const interceptor: Interceptor = (next) => (request) =>
    addHeaders(request, request.header, (header) =>
      next({ ...request, header: header as Headers }),
    );
  return Object.assign(interceptor, { addHeaders });
}

function createHeaderAdder({ token, orgId, instanceHost }: Metadata): HeaderAdder {
  const fixed: Record<string, string> = {
    ...(orgId && { [headerOrganization]: orgId }),
    ...(instanceHost && { [headerInstanceHost]: instanceHost }),
  };
  const masked = createMasking();
  const withToken = typeof token === "function" ? createTokenAttempts(token) : undefined;

  return (call, own, attempt) => {
    const send = (bearer: string | undefined) => {
      const headers = merge(
        own,
        bearer === undefined ? fixed : { ...fixed, authorization: `Bearer ${bearer}` },
      );
      return masked(
        call,
        () => headers,
        () => attempt(headers),
      );
    };
    if (own?.has(headerAuthorization)) {
      return send(undefined);
    }
    return withToken === undefined ? send(token as string | undefined) : withToken(call, send);
  };
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
