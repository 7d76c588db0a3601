// The entry `.` where there is no Node; its documentation and its types are in index.ts.
export * from "./client/common-exports.js";
export { createManagementClient, createTransport } from "./grpc-web.js";
