import { fromJson, toJson } from "@bufbuild/protobuf";
import type { JsonParts } from "./json-parts.js";
import { refuseOtherRoutes } from "./other-routes.js";
import { toQuery } from "./query.js";

/**
 * What a transport for any service needs. A page with ManagementService alone does without: its messages
 * are in `plain-json.ts`, none of its RPCs has a query, and its two routes have different verbs.
 */
export const anyService: JsonParts = { fromJson, toJson, toQuery, refuseOtherRoutes };
