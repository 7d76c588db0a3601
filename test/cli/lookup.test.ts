import { PassThrough } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { readConnection } from "../../src/cli/connect.js";
import { createLookup, type Lookup } from "../../src/cli/grants/lookup.js";
import type { GrantRecord } from "../../src/cli/grants/record.js";
import { searchAllGrants } from "../../src/cli/grants/select.js";
import { describeError } from "../../src/errors/describe.js";
import { createImpatientEnvironment } from "../support/fake-environment.js";
import { type JsonReply, type JsonRequest, startJsonServer } from "./json-server.js";

let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
});

/** What ZITADEL's JSON of a grant looks like. */
const grantJson = (id: string) => ({
  id,
  details: {
    sequence: "2",
    creationDate: "2026-11-24T06:41:37.574963Z",
    changeDate: "2026-11-24T06:41:38.038809Z",
    resourceOwner: "400982547602934822",
  },
  roleKeys: ["reader"],
  state: "USER_GRANT_STATE_INACTIVE",
  userId: "400986358581038118",
  userName: "jane",
  firstName: "Jane",
  lastName: "Doe",
  email: "jane@example.com",
  displayName: "Jane Doe",
  orgId: "400982547602934822",
  orgName: "ZITADEL",
  orgDomain: "zitadel.localhost",
  projectId: "400986358329379878",
  projectName: "Reports",
  preferredLoginName: "jane@zitadel.localhost",
  userType: "TYPE_HUMAN",
  grantedOrgId: "400982547602934822",
  grantedOrgName: "ZITADEL",
  grantedOrgDomain: "zitadel.localhost",
});

const errorJson = (code: number, id: string, message: string) => ({
  code,
  message: `${message} (${id})`,
  details: [{ "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id, message }],
});

async function lookupOf(reply: (request: JsonRequest) => JsonReply | undefined) {
  const server = await startJsonServer(reply);
  closing.push(server.close);
  const slept: number[] = [];
  const output = new PassThrough();
  const connection = await readConnection(
    { url: server.baseUrl, org: "4711" },
    {
      stdin: new PassThrough(),
      stdout: output,
      stderr: output,
      env: { ZITADEL_TOKEN: "top-secret" },
      onInterrupt: () => () => {},
    },
  );
  const lookup = createLookup(connection, { environment: createImpatientEnvironment(slept) });
  return { lookup, requests: server.requests, slept };
}

const searchResult = (ids: readonly string[], total: number) => ({
  body: {
    details: { ...(total === 0 ? {} : { totalResult: String(total) }), viewTimestamp: "" },
    ...(ids.length === 0 ? {} : { result: ids.map(grantJson) }),
  },
});

async function readAll(lookup: Lookup, pageSize: number) {
  const records: GrantRecord[] = [];
  const search = searchAllGrants(lookup, [], { pageSize });
  for (;;) {
    const { done, value } = await search.next();
    if (done) {
      return { ids: records.map(({ grantId }) => grantId), end: value };
    }
    records.push(value);
  }
}

describe("the lookup routes", () => {
  it("return everything about a grant, with the token and the organization of the call", async () => {
    const { lookup, requests } = await lookupOf(() => searchResult(["1"], 1));
    const query = { userIdQuery: { userId: "7" } };
    const { records, total } = await lookup.searchGrants([query], { offset: 20, limit: 10 });
    expect(total).toBe(1);
    expect(records).toEqual([
      {
        grantId: "1",
        state: "inactive",
        roleKeys: ["reader"],
        userId: "400986358581038118",
        userName: "jane",
        preferredLoginName: "jane@zitadel.localhost",
        displayName: "Jane Doe",
        firstName: "Jane",
        lastName: "Doe",
        email: "jane@example.com",
        userType: "human",
        projectId: "400986358329379878",
        projectName: "Reports",
        projectGrantId: undefined,
        orgId: "400982547602934822",
        orgName: "ZITADEL",
        orgDomain: "zitadel.localhost",
        grantedOrgId: "400982547602934822",
        grantedOrgName: "ZITADEL",
        grantedOrgDomain: "zitadel.localhost",
        creationDate: "2026-11-24T06:41:37.574963Z",
        changeDate: "2026-11-24T06:41:38.038809Z",
        sequence: "2",
        resourceOwner: "400982547602934822",
      },
    ]);
    expect(requests[0]).toMatchObject({
      method: "POST",
      path: "/management/v1/users/grants/_search",
      headers: { authorization: "Bearer top-secret", "x-zitadel-orgid": "4711" },
      body: { query: { offset: "20", limit: 10, asc: true }, queries: [query] },
    });
  });

  it("read one grant, and report when it does not exist", async () => {
    const { lookup, requests } = await lookupOf(({ path }) =>
      path.endsWith("/2")
        ? { status: 404, body: errorJson(5, "QUERY-wIPkA", "User grant not found") }
        : { body: { userGrant: grantJson("a/b") } },
    );
    expect(await lookup.getGrant("7", "a/b")).toMatchObject({ grantId: "a/b" });
    expect(requests[0]).toMatchObject({
      method: "GET",
      path: "/management/v1/users/7/grants/a%2Fb",
    });
    expect(await lookup.getGrant("7", "2")).toBeUndefined();
  });

  it("do not mistake another NOT_FOUND for a grant that is gone", async () => {
    const { lookup } = await lookupOf(() => ({
      status: 404,
      headers: { "x-request-id": "abc" },
      body: errorJson(5, "AUTHZ-cdgFk", "membership not found"),
    }));
    const error = await lookup.getGrant("7", "2").catch((reason) => reason);
    expect(describeError(error)).toEqual({
      code: Code.NotFound,
      id: "AUTHZ-cdgFk",
      message: "membership not found",
      requestId: "abc",
      mayHaveBeenApplied: false,
    });
  });

  it("add and reactivate grants", async () => {
    const { lookup, requests } = await lookupOf(({ path }) =>
      path.endsWith("/grants") ? { body: { userGrantId: "99", details: {} } } : { body: {} },
    );
    const grant = { userId: "7", projectId: "8", projectGrantId: undefined, roleKeys: ["a"] };
    expect(await lookup.addGrant(grant)).toBe("99");
    await lookup.reactivateGrant("7", "99");
    expect(requests).toMatchObject([
      { path: "/management/v1/users/7/grants", body: { projectId: "8", roleKeys: ["a"] } },
      { path: "/management/v1/users/7/grants/99/_reactivate", body: {} },
    ]);
  });

  it("are retried when they read, after the pause that the server asks for", async () => {
    const replies: (JsonReply | undefined)[] = [
      { status: 503, headers: { "retry-after": "7" } },
      undefined,
      { status: 429 },
      searchResult([], 0),
    ];
    const { lookup, slept } = await lookupOf(() => replies.shift());
    expect(await lookup.searchGrants([], { offset: 0, limit: 1 })).toEqual({
      records: [],
      total: 0,
    });
    expect(slept).toHaveLength(3);
    expect(slept[0]).toBe(7000);
    expect(slept[1]).toBeLessThanOrEqual(500);
  });

  it("are not retried when they write and may have been applied", async () => {
    const { lookup, requests, slept } = await lookupOf(() => undefined);
    const error = await lookup
      .addGrant({ userId: "7", projectId: "8", roleKeys: [] })
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error.code).toBe(Code.Unavailable);
    expect([requests.length, slept.length]).toEqual([1, 0]);
  });

  it.each<[string, JsonReply]>([
    ["a page of a proxy", { headers: { "content-type": "text/html" }, body: "<b>top-secret</b>" }],
    ["JSON of something else", { body: { hello: "world" } }],
    ["a result that is not a list of grants", { body: { details: {}, result: [{ name: "x" }] } }],
    ["half of a response", { body: '{"details":' }],
  ])("never mistake %s for a result", async (_, reply) => {
    const { lookup } = await lookupOf(() => reply);
    const error = await lookup
      .searchGrants([], { offset: 0, limit: 1 })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(String(error)).not.toContain("top-secret");
  });
});

describe("a search that is read to its end", () => {
  const all = Array.from({ length: 25 }, (_, index) => String(100 + index));
  const pages =
    (list: () => readonly string[], most = 1000) =>
    ({ body }: JsonRequest) => {
      const from = Number(body.query.offset);
      const ids = list();
      return searchResult(ids.slice(from, from + Math.min(body.query.limit, most)), ids.length);
    };

  it("goes from page to page", async () => {
    const { lookup, requests } = await lookupOf(pages(() => all));
    expect(await readAll(lookup, 10)).toEqual({
      ids: all,
      end: { total: 25, unstable: false },
    });
    expect(requests).toHaveLength(3);
  });

  it("continues when a server returns smaller pages than requested", async () => {
    const { lookup } = await lookupOf(pages(() => all, 4));
    expect((await readAll(lookup, 10)).ids).toEqual(all);
  });

  it("is read again when grants were removed meanwhile, which shifts the pages", async () => {
    let reads = 0;
    const { lookup } = await lookupOf(pages(() => (reads++ === 0 ? all : all.slice(5))));
    const { ids, end } = await readAll(lookup, 10);
    expect([...ids].sort()).toEqual(all);
    expect(end).toEqual({ total: 20, unstable: false });
  });

  it("reports a list that keeps changing", async () => {
    let reads = 0;
    const { lookup } = await lookupOf(pages(() => all.slice(0, 25 - (reads++ % 2))));
    expect((await readAll(lookup, 10)).end.unstable).toBe(true);
  });

  it("yields a grant once that is on two pages", async () => {
    const shifted = [...all.slice(0, 10), "100", ...all.slice(10)];
    const { lookup } = await lookupOf(pages(() => shifted));
    expect((await readAll(lookup, 10)).ids).toEqual(all);
  });
});

describe("what an account may read", () => {
  it.each([
    [{ result: ["user.read", "user.grant.read"] }, true],
    [{ result: ["user.read", "user.grant.read:400986358329379878"] }, false],
    [{}, false],
  ])("of %j is everything: %s", async (body, all) => {
    const { lookup, requests } = await lookupOf(() => ({ body }));
    expect(await lookup.mayReadAllGrants()).toBe(all);
    expect(requests).toMatchObject([
      {
        method: "POST",
        path: "/auth/v1/permissions/zitadel/me/_search",
        headers: { "x-zitadel-orgid": "4711" },
      },
    ]);
  });
});
