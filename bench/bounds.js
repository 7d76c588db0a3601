import { bare, own } from "./clients.js";

/**
 * What a call may cost, as ratios of CPU time to another client's in the same run. `measured` is what
 * an idle machine gave for this commit; a regression of 15 % passes `most`, a tenth of it does not.
 */
export const bounds = [
  { name: own, peer: bare, measured: 1.33 },
  { name: own, peer: "@grpc/grpc-js", measured: 0.7 },
  { name: "with token source, retry", peer: bare, measured: 1.45 },
].map((bound) => ({ ...bound, most: bound.measured * 1.08 }));
