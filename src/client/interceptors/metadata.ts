import type {
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { platform } from "../../common/environment.js";
import type { Signal } from "../../common/shared-signal.js";
import type { TokenSource } from "../../options/token-source.js";
import { withoutCopies } from "../../transports/call/apply-interceptors.js";
import {
  type AddedFields,
  type HeaderFields,
  stateOf,
  withHeaderFields,
} from "../../transports/call/request.js";
import { createMasking, onStreamFailure } from "./mask.js";
import { createTokenAttempts, type Reactions } from "./token-attempts.js";

/** The metadata that a client adds to its calls. */
export interface Metadata {
  token?: string | TokenSource | undefined;
  orgId?: string | undefined;
  instanceHost?: string | undefined;
  /** Aborted when the client is closed: no call waits for a token any longer. */
  closed?: Signal | undefined;
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
  const { token, orgId, instanceHost, closed } = metadata;
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
  const withToken =
    typeof token === "function"
      ? createTokenAttempts<Request, Response>(token, platform, closed)
      : undefined;
  let last: { bearer: string; added: AddedFields } | undefined;

  return withoutCopies((next) => {
    const start = (sent: Request): Promise<Response> => {
      try {
        return next(sent);
      } catch (reason) {
        return Promise.reject(reason);
      }
    };
    const send = (request: Request, added: AddedFields): Promise<Response> => {
      const sent = withHeaderFields(request, added);
      const fail = (reason: unknown): never => {
        throw masked(reason, sent);
      };
      return request.stream
        ? start(sent).then((it) => onStreamFailure(it as StreamResponse, fail), fail)
        : start(sent).then(undefined, fail);
    };
    const sendWith = (
      request: Request,
      bearer: string,
      reactions?: Reactions<Request, Response>,
    ): Promise<Response> => {
      if (last?.bearer !== bearer) {
        last = { bearer, added: withBearer(bearer) };
      }
      if (reactions === undefined) {
        return send(request, last.added);
      }
      const sent = withHeaderFields(request, last.added);
      return start(sent).then(reactions.accepted, (reason) =>
        reactions.failed(request, sendWith, bearer, masked(reason, sent)),
      );
    };
    return (request) =>
      withToken === undefined || hasAuthorization(request)
        ? send(request, constant)
        : withToken(request, sendWith);
  });
}

type Request = UnaryRequest | StreamRequest;
type Response = UnaryResponse | StreamResponse;

/** Whether the call has a token of its own, or is to have no token. */
function hasAuthorization(request: Request): boolean {
  return stateOf(request)?.unread === undefined && request.header.has(headerAuthorization);
}
