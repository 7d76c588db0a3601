import { type Client, ConnectError } from "@connectrpc/connect";
import type { ManagementService } from "../../gen/zitadel/management_pb.js";
import { classify } from "../bulk/classify.js";
import type { RunLog } from "./log.js";

type ManagementClient = Client<typeof ManagementService>;

/**
 * A client that writes each request into the log before it is sent, and that it was answered when it
 * was. An answer that leaves open what became of the request is none.
 */
export function loggedClient(client: ManagementClient, log: RunLog): ManagementClient {
  return {
    ...client,
    bulkRemoveUserGrant: (request, options) =>
      logged(log, request.grantId ?? [], "COMMAND-1My0t", () =>
        client.bulkRemoveUserGrant(request, options),
      ),
    deactivateUserGrant: (request, options) =>
      logged(log, [request.grantId ?? ""], "COMMAND-3M9sd", () =>
        client.deactivateUserGrant(request, options),
      ),
  };
}

async function logged<Response>(
  log: RunLog,
  ids: readonly string[],
  notFoundId: string,
  send: () => Promise<Response>,
): Promise<Response> {
  const request = await log.request(ids);
  try {
    const response = await send();
    log.answer(request, true);
    return response;
  } catch (error) {
    if (!classify(ConnectError.from(error), notFoundId).maybeApplied) {
      log.answer(request, false);
    }
    throw error;
  }
}
