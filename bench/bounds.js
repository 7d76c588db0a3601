import { bare, own } from "./clients.js";

const withToken = "with token source, retry";

/**
 * What a call may cost, as ratios of CPU time to another client's in the same run. `measured` is the highest
 * that quick runs gave for this commit, on a busy machine as well. What a call allocates is held closer.
 */
export const bounds = [
  { name: own, peer: bare, measured: 1.25 },
  { name: own, peer: "@grpc/grpc-js", measured: 0.56 },
  { name: withToken, peer: own, measured: 1.1 },
].map((bound) => ({ ...bound, most: bound.measured * 1.1 }));

/** What a call may allocate: the same on any machine with this version of Node, to a hundredth or two. */
export const allocationBounds = [
  { name: own, peer: bare, measured: 1.17 },
  { name: withToken, peer: own, measured: 1.035, most: 1.05 },
  { name: "with OpenTelemetry, spans", peer: bare, measured: 1.74 },
].map((bound) => ({ most: bound.measured * 1.05, ...bound }));
