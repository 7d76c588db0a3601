import type {
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import type { TokenSource } from "../../options/token-source.js";
import { withoutCopies } from "../../transports/call/apply-interceptors.js";
import {
  type AddedFields,
  type HeaderFields,
  stateOf,
  withHeaderFields,
} from "../../transports/call/request.js";
import { createMasking, onStreamFailure } from "./mask.js";
import { createTokenAttempts, type Send } from "./token-attempts.js";

/** The metadata that a client adds to its calls. */
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
 * Adds token, organization and instance host to each call. Headers of the call take precedence, and an empty
 * one removes the header. The caller's interceptors hold another request, without these.
 */
export function createMetadataInterceptor(metadata: Metadata): Interceptor {
  const { token, orgId, instanceHost } = metadata;
  const fixed: HeaderFields = {
    ...(orgId && { [headerOrganization]: orgId }),
    ...(instanceHost && { [headerInstanceHost]: instanceHost }),
  };
  const withBearer = (bearer: string): AddedFields => ({
    fields: { ...fixed, [headerAuthorization]: `Bearer ${bearer}` },
    optional,
  });
  const constant = typeof token === "string" ? withBearer(token) : { fields: fixed, optional };
  const masked = createMasking();
  const withToken = typeof token === "function" ? createTokenAttempts(token) : undefined;
  let last: { bearer: string; added: AddedFields } | undefined;

  return withoutCopies((next) => {
    const send = (
      request: UnaryRequest | StreamRequest,
      added: AddedFields,
      accepted?: (response: UnaryResponse | StreamResponse) => UnaryResponse | StreamResponse,
      failed?: (error: unknown) => Response,
    ): Response => {
      const sent = withHeaderFields(request, added);
      const fail = (reason: unknown): never => {
        throw masked(reason, sent);
      };
      let response: Response;
      try {
        response = next(sent);
      } catch (reason) {
        response = Promise.reject(reason);
      }
      return request.stream
        ? response.then((it) => onStreamFailure(it as StreamResponse, fail), fail)
        : response.then(accepted, failed ? (reason) => failed(masked(reason, sent)) : fail);
    };
    const sendWith: Send<UnaryRequest | StreamRequest, UnaryResponse | StreamResponse> = (
      request,
      bearer,
      accepted,
      failed,
    ) => {
      if (last?.bearer !== bearer) {
        last = { bearer, added: withBearer(bearer) };
      }
      return send(request, last.added, accepted, failed);
    };
    return (request) =>
      withToken === undefined || hasAuthorization(request)
        ? send(request, constant)
        : withToken(request, sendWith);
  });
}

type Response = Promise<UnaryResponse | StreamResponse>;

/** Whether the call has a token of its own, or is to have no token. */
function hasAuthorization(request: UnaryRequest | StreamRequest): boolean {
  return stateOf(request)?.unread === undefined && request.header.has(headerAuthorization);
}
