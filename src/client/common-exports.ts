// What every entry exports beside its own createManagementClient and createTransport.
export {
  BulkRemoveUserGrantRequestSchema,
  BulkRemoveUserGrantResponseSchema,
  DeactivateUserGrantRequestSchema,
  DeactivateUserGrantResponseSchema,
  ManagementService,
} from "../../gen/zitadel/management_pb.js";
export { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
export { ObjectDetailsSchema } from "../../gen/zitadel/object_pb.js";
export {
  describeError,
  type ErrorDescription,
  isGrantInactive,
  isGrantNotFound,
} from "../errors/describe.js";
export type { RetryOptions } from "../options/retry.js";
export type { TokenRequest, TokenSource } from "../options/token-source.js";
export type { ManagementClient } from "./client.js";
export { close } from "./close.js";
