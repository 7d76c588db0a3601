import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { create, fromJson, ScalarType, toJson } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { createClient } from "@connectrpc/connect";
import * as admin from "@zitadel/proto/zitadel/admin_pb.js";
import * as auth from "@zitadel/proto/zitadel/auth_pb.js";
import * as authorization from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";
import * as management from "@zitadel/proto/zitadel/management_pb.js";
import * as system from "@zitadel/proto/zitadel/system_pb.js";
import * as user from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";
import { describe, expect, it } from "vitest";
import { createTransport } from "../../../src/json.js";
import { buildRequest } from "../../../src/transports/json/request.js";
import { httpBindings } from "../../../src/transports/json/template.js";
import { matchRequest, readRequest } from "../../support/http-rule-match.js";
import { startHttpServer } from "../../support/http-server.js";

/** What reaches a server that responds with `{}`: services of another generator, over our transport. */
async function sent(
  call: (transport: ReturnType<typeof createTransport>) => Promise<unknown>,
): Promise<string> {
  let body = "";
  const { baseUrl, requests } = await startHttpServer((_, response, received) => {
    body = received.toString();
    response.writeHead(200, { "content-type": "application/json" });
    response.end("{}");
  });
  await call(createTransport({ baseUrl }));
  return `${requests[0]?.method} ${requests[0]?.url} ${body}`.trim();
}

describe("the services of @zitadel/proto go to their routes:", () => {
  it("ManagementService.ListUserGrants", async () => {
    const request = await sent((transport) =>
      createClient(management.ManagementService, transport).listUserGrants({
        query: { offset: 5n, limit: 10, asc: true },
        queries: [{ query: { case: "userIdQuery", value: { userId: "1" } } }],
      }),
    );
    expect(request).toBe(
      'POST /management/v1/users/grants/_search {"query":{"offset":"5","limit":10,"asc":true},"queries":[{"userIdQuery":{"userId":"1"}}]}',
    );
  });

  it("ManagementService.GetMyOrg", async () => {
    expect(
      await sent((transport) => createClient(management.ManagementService, transport).getMyOrg({})),
    ).toBe("GET /management/v1/orgs/me");
  });

  it("ManagementService.GetUserByLoginNameGlobal, with a query", async () => {
    expect(
      await sent((transport) =>
        createClient(management.ManagementService, transport).getUserByLoginNameGlobal({
          loginName: "a&b@c",
        }),
      ),
    ).toBe("GET /management/v1/global/users/_by_login_name?loginName=a%26b%40c");
  });

  it("user.v2.UserService.GetUserByID and ListUsers", async () => {
    expect(
      await sent((transport) =>
        createClient(user.UserService, transport).getUserByID({ userId: "1" }),
      ),
    ).toBe("GET /v2/users/1");
    expect(
      await sent((transport) =>
        createClient(user.UserService, transport).listUsers({ query: { limit: 5 } }),
      ),
    ).toBe('POST /v2/users {"query":{"limit":5}}');
  });
});

describe("every annotated RPC finds back to itself:", () => {
  const services: DescService[] = [
    management.ManagementService,
    admin.AdminService,
    auth.AuthService,
    system.SystemService,
    user.UserService,
    authorization.AuthorizationService,
  ];
  it.each(services.map((service) => [service.typeName, service] as const))("%s", (_, service) => {
    const rpcs = service.methods.filter((rpc) => typeof httpBindings(rpc) === "object");
    for (const rpc of rpcs) {
      const message = withPathFields(rpc);
      const { verb, target, body } = buildRequest(rpc, message, {}, { fromJson, toJson });
      const found = matchRequest(service.methods, verb, target.replace(/\?.*/, ""));
      if (typeof found !== "object") {
        expect.fail(`${rpc.name}: nothing at ${verb} ${target}`);
      }
      expect(found.binding.rpc.name).toBe(rpc.name);
      const parsed = body === undefined ? undefined : JSON.parse(body);
      expect(readRequest(found, [], parsed)).toEqual(message);
    }
    expect(rpcs.length).toBeGreaterThan(5);
  });
});

/** A request in which the strings that the path needs are set. */
function withPathFields(rpc: DescMethod): Message {
  const message = create(rpc.input);
  const bindings = httpBindings(rpc);
  for (const path of (typeof bindings === "object" && bindings[0]?.pathFields) || []) {
    let within = reflect(rpc.input, message);
    for (const field of path) {
      if (field.fieldKind === "message") {
        within.set(field, reflect(field.message, create(field.message)));
        within = within.get(field);
      } else if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
        within.set(field, "300000000000000001");
      }
    }
  }
  return message;
}
