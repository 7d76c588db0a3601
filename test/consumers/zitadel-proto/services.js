// Services of @zitadel/proto over our transports, beside our own generated code, in one program.
import assert from "node:assert/strict";
import { createRegistry } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AuthorizationService } from "@zitadel/proto/zitadel/authorization/v2beta/authorization_service_pb.js";
import { ManagementService as TheirManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { UserService } from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";
import {
  close,
  createManagementClient,
  createTransport,
  ManagementService,
} from "zitadel-user-grants";
import * as grpcWeb from "zitadel-user-grants/grpc-web";
import { startFakeZitadel, token } from "./fake-zitadel.js";

const zitadel = await startFakeZitadel(2);

for (const [createAnyTransport, createOurs, baseUrl] of [
  [createTransport, createManagementClient, zitadel.grpcBaseUrl],
  [grpcWeb.createTransport, grpcWeb.createManagementClient, zitadel.webBaseUrl],
]) {
  const transport = createAnyTransport({ baseUrl, token });

  const { user } = await createClient(UserService, transport).getUserByID({ userId: "a-user" });
  assert.equal(user.type.value.name, "a robot");
  await createClient(AuthorizationService, transport).deleteAuthorization({ id: "an-id" });
  const { result } = await createClient(TheirManagementService, transport).listUserGrants({});
  const [first] = result;

  // The same service by both packages, in one program.
  await createClient(TheirManagementService, transport).bulkRemoveUserGrant({
    grantId: [first.id],
  });
  const ours = createOurs({ baseUrl, token });
  const error = await ours.bulkRemoveUserGrant({ grantId: [first.id] }).catch((error) => error);
  assert.ok(error instanceof ConnectError);
  assert.equal(error.code, Code.NotFound);

  const anonymous = createClient(UserService, createAnyTransport({ baseUrl }));
  const refused = await anonymous.getUserByID({}).catch((error) => error);
  assert.ok(refused instanceof ConnectError);
  assert.equal(refused.code, Code.Unauthenticated);
  close(transport);
  close(ours);
}

// protobuf-es has no global registry: descriptors of the same name from two packages do not clash, and a
// registry of both holds the one that was added last.
assert.equal(ManagementService.typeName, TheirManagementService.typeName);
const registry = createRegistry(TheirManagementService.file, ManagementService.file);
assert.equal(registry.getService(ManagementService.typeName), ManagementService);

zitadel.close();
console.log("ok");
