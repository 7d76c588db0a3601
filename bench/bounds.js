import { bare, own } from "./clients.js";

/**
 * What a call may cost, as ratios of CPU time to another client's in the same run. `measured` is what
 * the quick run on an idle machine gave for this commit: its processes are younger than those of the whole run; a regression of 15 % passes `most`, a twentieth does not.
 */
export const bounds = [
  { name: own, peer: bare, measured: 1.4 },
  { name: own, peer: "@grpc/grpc-js", measured: 0.64 },
  { name: "with token source, retry", peer: bare, measured: 1.65 },
].map((bound) => ({ ...bound, most: bound.measured * 1.1 }));
