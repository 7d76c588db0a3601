// Services that the sandbox does not have, from the descriptors of @zitadel/proto: a router of Connect
// behind HTTP/2 for gRPC and behind HTTP/1.1 for gRPC-web.
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthorizationService } from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { UserService } from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";

export const token = "a-token";

/** Starts it with so many grants of the project "the-project", and as many of another. */
export async function startFakeZitadel(count) {
  const grants = new Map();
  for (let number = 0; number < 2 * count; number++) {
    const projectId = number % 2 === 0 ? "the-project" : "another-project";
    grants.set(`grant-${number}`, { id: `grant-${number}`, userId: `user-${number}`, projectId });
  }
  const authorize = (context) => {
    if (context.requestHeader.get("authorization") !== `Bearer ${token}`) {
      throw new ConnectError("auth header missing", Code.Unauthenticated);
    }
  };
  const routes = (router) => {
    router.service(ManagementService, {
      listUserGrants({ query, queries }, context) {
        authorize(context);
        const projectIds = queries.map(({ query }) => query.value.projectId);
        const found = [...grants.values()].filter(({ projectId }) =>
          projectIds.every((wanted) => wanted === projectId),
        );
        const offset = Number(query?.offset ?? 0);
        const limit = query?.limit || 100;
        return {
          details: { totalResult: BigInt(found.length) },
          result: found.slice(offset, offset + limit),
        };
      },
      bulkRemoveUserGrant({ grantId }, context) {
        authorize(context);
        if (!grantId.every((id) => grants.has(id))) {
          throw new ConnectError("User grant not found", Code.NotFound);
        }
        for (const id of grantId) {
          grants.delete(id);
        }
        return {};
      },
    });
    router.service(UserService, {
      getUserByID({ userId }, context) {
        authorize(context);
        return { user: { userId, type: { case: "machine", value: { name: "a robot" } } } };
      },
    });
    router.service(AuthorizationService, {
      deleteAuthorization(_, context) {
        authorize(context);
        return {};
      },
    });
  };
  const handler = connectNodeAdapter({ routes });
  const http1 = createHttp1Server(handler);
  const http2 = createHttp2Server(handler);
  const sessions = new Set();
  http2.on("session", (session) => sessions.add(session));
  const listening = [http1, http2].map(
    (server) =>
      new Promise((resolve) =>
        server.listen(0, "localhost", () => resolve(`http://localhost:${server.address().port}`)),
      ),
  );
  const [webBaseUrl, grpcBaseUrl] = await Promise.all(listening);
  return {
    webBaseUrl,
    grpcBaseUrl,
    grants,
    close() {
      http1.close();
      http1.closeAllConnections();
      http2.close();
      for (const session of sessions) {
        session.destroy();
      }
    },
  };
}
