import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { TextQueryMethod } from "@zitadel/proto/zitadel/object_pb.js";
import { Type, UserGrantState } from "@zitadel/proto/zitadel/user_pb.js";
import { expect, it, onTestFinished } from "vitest";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.node.js";
import { describeError } from "../../src/index.js";
import * as json from "../../src/json.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";

const protocols = { grpc, "grpc-web": grpcWeb, json };
const cases = generations.flatMap((generation) =>
  (["grpc", "grpc-web", "json"] as const).map((protocol) => ({ generation, protocol })),
);

it.each(cases)(
  "a client generated from ZITADEL's own protos finds, reads, adds and reactivates: $generation, $protocol",
  async ({ generation, protocol }) => {
    const sandbox = await startSandbox({ generation });
    const { baseUrl, token, orgId } = sandbox;
    const transport = protocols[protocol].createTransport({ baseUrl, token, orgId });
    onTestFinished(() => {
      grpc.close(transport);
      return sandbox.close();
    });
    const client = createClient(ManagementService, transport);
    const { projectId } = sandbox.addProject({ name: "Billing", roleKeys: ["reader", "writer"] });
    const { userId } = sandbox.addUser({
      name: "Jane Doe",
      email: "jane@example.com",
      loginName: "jane",
    });
    const grants = ["active", "inactive", "active"].map((state) =>
      sandbox.addGrant({ projectId, roleKeys: ["reader"], state: state as "active" | "inactive" }),
    );
    const own = sandbox.addGrant({ userId, projectId, roleKeys: ["reader", "writer"] });

    const ids: string[] = [];
    for (;;) {
      const { details, result } = await client.listUserGrants({
        query: { offset: BigInt(ids.length), limit: 3, asc: true },
        queries: [{ query: { case: "projectIdQuery", value: { projectId } } }],
      });
      ids.push(...result.map(({ id }) => id));
      if (ids.length >= Number(details?.totalResult ?? 0n)) {
        break;
      }
    }
    expect(ids).toEqual([...grants, own].map(({ grantId }) => grantId));

    const { result: byEmail } = await client.listUserGrants({
      queries: [
        {
          query: {
            case: "emailQuery",
            value: { email: "JANE@", method: TextQueryMethod.STARTS_WITH_IGNORE_CASE },
          },
        },
      ],
    });
    expect(byEmail).toMatchObject([
      {
        id: own.grantId,
        roleKeys: ["reader", "writer"],
        state: UserGrantState.ACTIVE,
        userId,
        displayName: "Jane Doe",
        email: "jane@example.com",
        preferredLoginName: "jane",
        userType: Type.HUMAN,
        orgId,
        orgName: "ZITADEL",
        projectName: "Billing",
      },
    ]);

    const { result: users } = await client.listUsers({
      queries: [{ query: { case: "loginNameQuery", value: { loginName: "jane" } } }],
    });
    expect(users.map(({ id }) => id)).toEqual([userId]);

    const [, inactive = own] = grants;
    await client.reactivateUserGrant(inactive);
    const { userGrant } = await client.getUserGrantByID(inactive);
    expect(userGrant?.state).toBe(UserGrantState.ACTIVE);
    expect(userGrant?.details?.sequence).toBe(3n);

    await client.bulkRemoveUserGrant({ grantId: [own.grantId] });
    const { userGrantId } = await client.addUserGrant({ userId, projectId, roleKeys: ["writer"] });
    expect(sandbox.grant(userGrantId)).toMatchObject({ userId, roleKeys: ["writer"] });
    const error = await client
      .addUserGrant({ userId, projectId, roleKeys: ["writer"] })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(describeError(error)).toMatchObject({ code: Code.AlreadyExists, id: "V3-DKcYh" });
  },
);
