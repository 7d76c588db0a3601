import { bare, own } from "./clients.js";

const withToken = "with token source, retry";

/**
 * What a call may cost, as ratios of CPU time to another client's in the same run. `measured` is what
 * quick runs on an idle machine gave for this commit, the highest where they differ: its processes are
 * younger than those of the whole run. A regression of 15 % passes `most`, a twentieth does not.
 */
export const bounds = [
  { name: own, peer: bare, measured: 1.3 },
  { name: own, peer: "@grpc/grpc-js", measured: 0.58 },
  { name: withToken, peer: own, measured: 1.2 },
].map((bound) => ({ ...bound, most: bound.measured * 1.1 }));

/** What a call may allocate: the same on any machine with this version of Node, to a hundredth or two. */
export const allocationBounds = [
  { name: own, peer: bare, measured: 1.14 },
  { name: withToken, peer: own, measured: 1.012, most: 1.04 },
  { name: "with OpenTelemetry, spans", peer: bare, measured: 1.43 },
].map((bound) => ({ most: bound.measured * 1.05, ...bound }));
