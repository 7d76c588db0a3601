import { createServer } from "node:http2";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthorizationService } from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { SessionService } from "@zitadel/proto/zitadel/session/v2/session_service_pb.js";
import { listen } from "./listen.js";

/** What the documents call of ZITADEL and the sandbox does not have, for one token. */
export async function startOtherServices(): Promise<{
  baseUrl: string;
  token: string;
  /** Ids of authorizations; those that were deleted are gone. */
  authorizations: Set<string>;
  /** The memberships and sessions that were ended, in order. */
  ended: string[];
  close: () => Promise<void>;
}> {
  const token = "a-token";
  const authorizations = new Set(["1", "2"]);
  const ended: string[] = [];
  const authorize = ({ requestHeader }: HandlerContext) => {
    if (requestHeader.get("authorization") !== `Bearer ${token}`) {
      throw new ConnectError("auth header missing", Code.Unauthenticated);
    }
  };
  const end = (what: string) => (context: HandlerContext) => {
    authorize(context);
    ended.push(what);
    return {};
  };
  const handler = connectNodeAdapter({
    routes: (router) =>
      router
        .service(AuthorizationService, {
          deleteAuthorization({ id }, context) {
            authorize(context);
            // As ZITADEL does it: one that is not there is no error, and has no date.
            return authorizations.delete(id) ? { deletionDate: { seconds: 1n } } : {};
          },
        })
        .service(ManagementService, {
          listUserMemberships({ userId }, context) {
            authorize(context);
            return {
              result: [
                { userId, type: { case: "orgId", value: "1" }, roles: ["ORG_OWNER"] },
                { userId, type: { case: "projectId", value: "12" }, roles: ["PROJECT_OWNER"] },
                {
                  userId,
                  type: { case: "iam", value: true },
                  roles: ["IAM_OWNER"],
                  displayName: "The instance",
                },
              ],
            };
          },
          removeOrgMember: (_, context) => end("member of the organization")(context),
          removeProjectMember: ({ projectId }, context) => end(`member of ${projectId}`)(context),
        })
        .service(SessionService, {
          listSessions(_, context) {
            authorize(context);
            return { sessions: [{ id: "a" }, { id: "b" }] };
          },
          deleteSession: ({ sessionId }, context) => end(`session ${sessionId}`)(context),
        }),
  });
  const { port, close } = await listen(createServer(handler));
  return { baseUrl: `http://127.0.0.1:${port}`, token, authorizations, ended, close };
}
