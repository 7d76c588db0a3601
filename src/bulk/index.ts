/**
 * Any number of grants, with an outcome for each. Runs everywhere, over any transport.
 *
 * @module zitadel-user-grants/bulk
 */
export { deactivateUserGrants, type UserGrant } from "./deactivate.js";
export type {
  BulkOptions,
  DeactivateUserGrantsOptions,
  RemoveUserGrantsOptions,
} from "./options.js";
export {
  createSummary,
  type DeactivateOutcome,
  type DeactivateStatus,
  type Failure,
  type Outcome,
  type RemoveOutcome,
  type RemoveStatus,
  type RunningSummary,
  type Summary,
  type SummaryOptions,
} from "./outcome.js";
export { removeUserGrants } from "./remove.js";
export type { BulkRun } from "./run.js";
