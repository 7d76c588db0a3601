/**
 * What the command line tool uses of the library besides its public entries: the one internal module that it
 * may import. Nothing here is for programs; names change without notice.
 */

export type { ManagementClient } from "../client/client.js";
export { type Environment, exponential, platform, sleep, timestamp } from "../common/time.js";
export { wasSent } from "../errors/certainty.js";
export { errorIds } from "../errors/describe.js";
export { isPermanent } from "../errors/failure.js";
export { isLoopback, similarName } from "../options/checker.js";
export type { CommonOptions } from "../options/options.js";
export { proxyFor } from "../transports/grpc/proxy.js";
export { deactivateUserGrantsIn } from "./deactivate.js";
export { grantIdProblem } from "./options.js";
export { RateLimit } from "./pace.js";
export { removeUserGrantsIn } from "./remove.js";
export { classify, retryAfterMs } from "./requests.js";
export { NotSent } from "./stop.js";
