import { describe, expect, it } from "vitest";
import { seed } from "../support/seed.js";
import { limits, meanCost } from "./group-testing.js";

/** Means of lists of which more is gone scatter less, and take longer. */
const listsFor = (share: number) => (share <= 0.1 ? 200 : 40);

describe(`the mean of many lists of 10,000 grants, some of which are gone (seed ${seed})`, () => {
  it.each(limits)(
    "$share",
    async ({ share, requestsPerId, serverSeconds }) => {
      const mean = await meanCost(share, listsFor(share), seed);
      console.log(
        `${share * 100} % gone: ${mean.requestsPerId.toFixed(4)} requests for each id, ${mean.serverSeconds.toFixed(1)} s of the server's time`,
      );
      expect(mean.requestsPerId).toBeLessThanOrEqual(requestsPerId);
      expect(mean.serverSeconds).toBeLessThanOrEqual(serverSeconds);
    },
    600_000,
  );
});
