// Exports of every entry in addition to its own createManagementClient and createTransport.
export {
  type BulkRemoveUserGrantRequest,
  BulkRemoveUserGrantRequestSchema,
  type BulkRemoveUserGrantResponse,
  BulkRemoveUserGrantResponseSchema,
  type DeactivateUserGrantRequest,
  DeactivateUserGrantRequestSchema,
  type DeactivateUserGrantResponse,
  DeactivateUserGrantResponseSchema,
  ManagementService,
} from "../../gen/zitadel/management_pb.js";
export { type ErrorDetail, ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
export { type ObjectDetails, ObjectDetailsSchema } from "../../gen/zitadel/object_pb.js";
export { mayHaveBeenApplied } from "../errors/certainty.js";
export {
  describeError,
  type ErrorDescription,
  isGrantInactive,
  isGrantNotFound,
} from "../errors/describe.js";
export type {
  BinaryFormatOptions,
  CommonOptions,
  RetryOptions,
  TokenRequest,
  TokenSource,
} from "../options/options.js";
export type { ManagementClient } from "./client.js";
export { close } from "./close.js";
