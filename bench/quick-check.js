import { measureCalls } from "./calls.js";

const own = "zitadel-user-grants";

/** What a call may cost against a peer, as ratios of CPU time in the same run. The goals are 1.4 and 0.67. */
const limits = [
  { peer: "bare node:http2", most: 1.6 },
  { peer: "@grpc/grpc-js", most: 0.8 },
];

/**
 * Whether the cost of calls is within the limits. The best rounds are compared: what else the machine does
 * only ever adds.
 */
export async function quickCheck({ urls, cert }) {
  const { results } = await measureCalls({
    names: [own, ...limits.map(({ peer }) => peer)],
    baseUrl: urls.cleartext,
    cert,
    loads: [{ inFlight: 64, calls: 2_500 }],
    rounds: 9,
  });
  const cpuUs = (name) => results.find((result) => result.name === name).cpuUs.low;
  let isWithin = true;
  for (const { peer, most } of limits) {
    const ratio = cpuUs(own) / cpuUs(peer);
    const verdict = ratio <= most ? "ok" : "TOO MUCH";
    isWithin &&= ratio <= most;
    console.log(
      `CPU per call: ${cpuUs(own).toFixed(0)} µs, ${ratio.toFixed(2)} times ${peer} (${cpuUs(peer).toFixed(0)} µs), at most ${most}: ${verdict}`,
    );
  }
  return isWithin;
}
