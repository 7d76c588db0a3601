import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthorizationService } from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";

/** The service of ZITADEL's v2 API that docs/future.md calls, which the sandbox does not have. */
export async function startAuthorizationService(): Promise<{
  baseUrl: string;
  token: string;
  /** Ids of authorizations; those that were deleted are gone. */
  authorizations: Set<string>;
  close: () => Promise<void>;
}> {
  const token = "a-token";
  const authorizations = new Set(["1", "2"]);
  const authorize = (headers: Headers) => {
    if (headers.get("authorization") !== `Bearer ${token}`) {
      throw new ConnectError("auth header missing", Code.Unauthenticated);
    }
  };
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(AuthorizationService, {
        deleteAuthorization({ id }, { requestHeader }) {
          authorize(requestHeader);
          // As ZITADEL does it: one that is not there is no error, and has no date.
          return authorizations.delete(id) ? { deletionDate: { seconds: 1n } } : {};
        },
      }),
  });
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(handler).on("session", (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return {
    baseUrl: `http://localhost:${(server.address() as AddressInfo).port}`,
    token,
    authorizations,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) {
          session.destroy();
        }
      }),
  };
}
