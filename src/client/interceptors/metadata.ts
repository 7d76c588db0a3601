import type { Interceptor, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import type { TokenSource } from "../../options/token-source.js";
import { withoutCopies } from "../../transports/call/apply-interceptors.js";
import {
  type HeaderFields,
  unreadFields,
  withHeaderFields,
} from "../../transports/call/request.js";
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
const optional = [headerAuthorization, headerOrganization, headerInstanceHost];

/**
 * Adds token, organization and instance host to each call. What the call itself has wins, and where it
 * has an empty value, no header is sent. The caller's interceptors hold another request, without these.
 */
export function createMetadataInterceptor(metadata: Metadata): Interceptor {
  const { token, orgId, instanceHost } = metadata;
  const fixed: HeaderFields = {
    ...(orgId && { [headerOrganization]: orgId }),
    ...(instanceHost && { [headerInstanceHost]: instanceHost }),
  };
  const withBearer = (bearer: string) => ({ ...fixed, [headerAuthorization]: `Bearer ${bearer}` });
  const constant = typeof token === "string" ? withBearer(token) : fixed;
  const masked = createMasking();
  const withToken = typeof token === "function" ? createTokenAttempts(token) : undefined;

  return withoutCopies((next) => {
    const send = (request: UnaryRequest | StreamRequest, fields: HeaderFields) => {
      const sent = withHeaderFields(request, fields, optional);
      return masked(
        request,
        () => sent.header,
        () => next(sent),
      );
    };
    return (request) =>
      withToken === undefined || hasAuthorization(request)
        ? send(request, constant)
        : withToken(request, (bearer) => send(request, withBearer(bearer)));
  });
}

/** Whether the call has a token of its own, or shall have none. */
function hasAuthorization(request: UnaryRequest | StreamRequest): boolean {
  return unreadFields(request) === undefined && request.header.has(headerAuthorization);
}
