import { refuseOtherRoutes } from "./other-routes.js";
import { toQuery } from "./query.js";

export type AnyService = typeof anyService;

/**
 * What a transport for any service needs. A page with ManagementService alone does without: none of its
 * RPCs has a query, and its two routes have different verbs.
 */
export const anyService = { toQuery, refuseOtherRoutes };
