import { type CallOptions, type Client, ConnectError } from "@connectrpc/connect";
import type { ManagementService } from "../../../gen/zitadel/management_pb.js";
import { classify } from "../../bulk/classify.js";
import { NotSent } from "../../bulk/stop.js";
import { describeError } from "../../errors/describe.js";
import type { RunLog } from "./run-log.js";

type ManagementClient = Client<typeof ManagementService>;

/**
 * A client that writes each request into the log before it is sent, and that its response came when it
 * did. An error that leaves open what became of the request is not a response. What cannot be logged
 * ends the run, and is not sent.
 *
 * @param onLost sees the ids of requests whose responses were lost.
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
    log.answer(request, true, requestId);
    return response;
  } catch (error) {
    if (classify(ConnectError.from(error), notFoundId).maybeApplied) {
      onLost(ids);
    } else {
      log.answer(request, false, describeError(error).requestId);
    }
    throw error;
  }
}
