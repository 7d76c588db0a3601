import { fromJson, toJson } from "@bufbuild/protobuf";
import type { JsonParts } from "./json-parts.js";
import { rejectOtherRoutes } from "./other-routes.js";
import { toQuery } from "./query.js";

/**
 * The parts of a transport for any service. A page that uses only ManagementService does not load them: its
 * messages are in `plain-json.ts`, none of its RPCs has a query, and its two routes have different verbs.
 */
export const anyService: JsonParts = { fromJson, toJson, toQuery, rejectOtherRoutes };
