import { expect, it } from "vitest";
import { Pool } from "../../src/bulk/pool.js";
import { Stop } from "../../src/bulk/stop.js";
import { FakeEnvironment } from "../support/fake-environment.js";

it.each([
  [false, ["1", "2", "3"]],
  [true, ["1", "2", "2", "3", "4"]],
])(
  "more different ids than a Set can hold stop the run with the solution, which is distinct (now %s)",
  async (distinct, taken) => {
    const environment = new FakeEnvironment(1);
    const stop = new Stop(environment);
    const pool = new Pool({
      ...{ environment, stop, distinct, mostSeen: 3 },
      values: ["1", "2", "2", "3", "4"],
      read: (value) => ({ grant: { grantId: String(value) } }),
      groupSize: () => 10,
      room: async () => undefined,
      open: () => true,
      reject: () => undefined,
      onIdle: () => undefined,
    });
    expect((await pool.take())?.map(({ grantId }) => grantId)).toEqual(taken);
    expect(String(stop.failure?.thrown)).toMatch(
      distinct ? "undefined" : /^RangeError: .*distinct: true/,
    );
  },
);
