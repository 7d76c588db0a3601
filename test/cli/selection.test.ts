import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import type { GrantQuery, Lookup } from "../../src/cli/grants/lookup.js";
import type { GrantRecord } from "../../src/cli/grants/record.js";
import { selectGrants } from "../../src/cli/grants/select.js";
import type { Selectors } from "../../src/cli/grants/selectors.js";

const users = Array.from({ length: 12 }, (_, index) => `u${index}`);
const selectors = {
  ...{ users, emails: [], loginNames: [], projects: [], roles: [] },
  ...{ state: undefined, userType: undefined },
  ...{ createdBeforeMs: undefined, changedBeforeMs: undefined },
} satisfies Selectors;

/** Each user has as many grants as its number says, but `failing`, whose search fails. */
function setUp(failing?: string) {
  const seen = { searches: [] as string[], inFlight: 0, most: 0 };
  const searchGrants: Lookup["searchGrants"] = async ([query], { offset, limit }) => {
    const { userId } = (query as Extract<GrantQuery, { userIdQuery: unknown }>).userIdQuery;
    seen.searches.push(userId);
    seen.inFlight += 1;
    seen.most = Math.max(seen.most, seen.inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    seen.inFlight -= 1;
    if (userId === failing) {
      throw new ConnectError("broken", Code.Internal);
    }
    const total = Number(userId.slice(1));
    const records = Array.from({ length: total }, (_, index) => ({
      ...{ grantId: `${userId}-${index}`, userId, roleKeys: [], state: "active" },
    })) as unknown as GrantRecord[];
    return { records: records.slice(offset, offset + limit), total };
  };
  return { seen, selection: selectGrants({ searchGrants } as Lookup, selectors) };
}

it("searches for four users at a time, and yields their grants in the order of the users", async () => {
  const { seen, selection } = setUp();
  const found: string[] = [];
  for await (const { userId } of selection) {
    found.push(userId);
  }
  expect(found).toEqual(users.flatMap((user, index) => Array(index).fill(user)));
  expect(seen.searches).toEqual(users);
  expect(seen.most).toBe(4);
});

it("says which users have no grants", async () => {
  const { selection } = setUp();
  let result = await selection.next();
  while (result.done !== true) {
    result = await selection.next();
  }
  expect(result.value).toEqual({ unmatched: ["--user u0"], unstable: false });
});

it("fails with a search that fails, and leaves no request behind", async () => {
  const { seen, selection } = setUp("u3");
  const found: string[] = [];
  await expect(async () => {
    for await (const { userId } of selection) {
      found.push(userId);
    }
  }).rejects.toThrow("broken");
  expect(found).toEqual(["u1", "u2", "u2"]);
  expect(seen.inFlight).toBe(0);
});

it("leaves no request behind when its caller stops", async () => {
  const { seen, selection } = setUp();
  for await (const _ of selection) {
    break;
  }
  expect(seen.inFlight).toBe(0);
  expect(seen.searches).toEqual(["u0", "u1", "u2", "u3", "u4"]);
});
