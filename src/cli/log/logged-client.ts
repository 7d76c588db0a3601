import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import type { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { classify } from "../../bulk/classify.js";
import { NotSent } from "../../bulk/stop.js";
import { describeError } from "../../errors/describe.js";
import type { RunLog } from "./run-log.js";

type ManagementClient = Client<typeof ManagementService>;

/**
 * A client that logs each request before it is sent, and each response when it arrives. An error that leaves
 * open whether the request was applied is not a response. A request that cannot be logged is not sent, and
 * stops the run.
 *
 * @param onLost is called with the ids of requests whose responses were lost.
 */
export function loggedClient(
  client: ManagementClient,
  log: RunLog,
  onLost: (ids: readonly string[]) => void = () => undefined,
): ManagementClient {
  return {
    ...client,
    bulkRemoveUserGrant: (request, options) =>
      logged(log, request.grantId ?? [], "COMMAND-1My0t", onLost, options, (seen) =>
        client.bulkRemoveUserGrant(request, seen),
      ),
    deactivateUserGrant: (request, options) =>
      logged(log, [request.grantId ?? ""], "COMMAND-3M9sd", onLost, options, (seen) =>
        client.deactivateUserGrant(request, seen),
      ),
  };
}

async function logged<Response>(
  log: RunLog,
  ids: readonly string[],
  notFoundId: string,
  onLost: (ids: readonly string[]) => void,
  options: CallOptions | undefined,
  send: (options: CallOptions) => Promise<Response>,
): Promise<Response> {
  let request: string;
  try {
    request = await log.request(ids);
  } catch (error) {
    throw new NotSent(error);
  }
  let requestId: string | undefined;
  try {
    const response = await send({
      ...options,
      onHeader: (headers) => {
        requestId = headers.get("x-request-id") ?? undefined;
        options?.onHeader?.(headers);
      },
    });
    log.response(request, true, requestId);
    return response;
  } catch (error) {
    if (classify(ConnectError.from(error), notFoundId).maybeApplied) {
      onLost(ids);
    } else {
      log.response(request, false, describeError(error).requestId);
    }
    throw error;
  }
}
