import assert from "node:assert/strict";
import { create, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import { BulkRemoveUserGrantRequestSchema } from "zitadel-user-grants";
import { ObjectDetailsSchema } from "zitadel-user-grants/gen/zitadel/object_pb.js";
import { AuditSchema } from "./gen/acme/audit_pb.js";

const audit = fromBinary(
  AuditSchema,
  toBinary(
    AuditSchema,
    create(AuditSchema, { details: { resourceOwner: "an-org" }, request: { grantId: ["a"] } }),
  ),
);
assert.equal(audit.details.resourceOwner, "an-org");
assert.ok(isMessage(audit.request, BulkRemoveUserGrantRequestSchema));
// The same descriptors, not others of the same name.
assert.equal(AuditSchema.field.details.message, ObjectDetailsSchema);
assert.equal(AuditSchema.field.request.message, BulkRemoveUserGrantRequestSchema);
console.log("ok");
