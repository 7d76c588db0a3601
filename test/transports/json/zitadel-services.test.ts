import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { create, fromJson, getOption, ScalarType, toJson } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { createClient } from "@connectrpc/connect";
import * as admin from "@zitadel/proto/zitadel/admin_pb.js";
import * as auth from "@zitadel/proto/zitadel/auth_pb.js";
import * as authorization from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";
import * as management from "@zitadel/proto/zitadel/management_pb.js";
import * as system from "@zitadel/proto/zitadel/system_pb.js";
import * as user from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";
import { describe, expect, it } from "vitest";
import { http } from "../../../gen/google/api/annotations_pb.js";
import { createTransport } from "../../../src/json.js";
import { buildRequest } from "../../../src/transports/json/request.js";
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

describe("every annotated RPC is sent by its own route:", () => {
  const id = "300000000000000001";
  const services: DescService[] = [
    management.ManagementService,
    admin.AdminService,
    auth.AuthService,
    system.SystemService,
    user.UserService,
    authorization.AuthorizationService,
  ];
  it.each(services.map((service) => [service.typeName, service] as const))("%s", (_, service) => {
    const rules = service.methods.map((rpc) => [rpc, getOption(rpc, http).pattern] as const);
    const annotated = rules.filter(([, { case: verb }]) => verb !== undefined);
    expect(annotated.length).toBeGreaterThan(5);
    for (const [rpc, { case: verb, value: path }] of annotated) {
      const variable = /\{([\w.]+)[^}]*\}/g;
      const names = [...String(path).matchAll(variable)].map(([, name = ""]) => name.split("."));
      const request = buildRequest(rpc, withTexts(rpc, names, id), {}, { fromJson, toJson });
      // Enums have their first name, and numbers are 0.
      const route = String(path).replace(variable, `(?:${id}|[A-Z_]+|0)`);
      expect(`${request.verb} ${request.target}`, rpc.name).toMatch(
        new RegExp(`^${verb?.toUpperCase()} ${route}$`),
      );
      // What is in the path is not in the body again.
      expect(request.body ?? "{}", rpc.name).not.toContain(id);
    }
  });
});

/** A request in which these fields have a text, where they take one. */
function withTexts(rpc: DescMethod, names: readonly string[][], value: string): Message {
  const message = create(rpc.input);
  for (const path of names) {
    let within = reflect(rpc.input, message);
    for (const name of path) {
      const field = within.fields.find((one) => one.name === name);
      if (field?.fieldKind === "message") {
        within.set(field, reflect(field.message, create(field.message)));
        within = within.get(field);
      } else if (field?.scalar === ScalarType.STRING) {
        within.set(field, value);
      }
    }
  }
  return message;
}
