import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import nock from "nock";
import { afterEach, expect, it, vi } from "vitest";
import { serviceUser } from "zitadel-user-grants/auth";
import { createManagementClient, describeError } from "zitadel-user-grants/json";
import { startSandbox } from "zitadel-user-grants/sandbox";
import { offboard } from "./offboarding-test.js";

it("offboards", offboard);

const baseUrl = "https://example.zitadel.cloud";
const done = { details: { sequence: "1", resourceOwner: "1" } };
const notFound = {
  code: 5,
  message: "User grant not found",
  details: [{ "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id: "COMMAND-3M9sd" }],
};

async function callEachMethod() {
  const client = createManagementClient({ baseUrl, token: "a-token" });
  const { details } = await client.deactivateUserGrant({ userId: "1", grantId: "2" });
  expect(details.resourceOwner).toBe("1");
  await client.bulkRemoveUserGrant({ grantId: ["2"] });
  const gone = client.deactivateUserGrant({ userId: "1", grantId: "gone" });
  expect(describeError(await gone.catch((error) => error)).id).toBe("COMMAND-3M9sd");
}

it("is served by MSW", async () => {
  const server = setupServer(
    http.post(
      `${baseUrl}/management/v1/users/1/grants/:grantId/_deactivate`,
      ({ params: { grantId } }) =>
        grantId === "2" ? HttpResponse.json(done) : HttpResponse.json(notFound, { status: 404 }),
    ),
    http.delete(`${baseUrl}/management/v1/user_grants/_bulk`, async ({ request }) => {
      expect(await request.json()).toEqual({ grantId: ["2"] });
      return HttpResponse.json({});
    }),
  );
  server.listen({ onUnhandledRequest: "error" });
  await callEachMethod().finally(() => server.close());
});

it("is served by nock", async () => {
  nock(baseUrl)
    .post("/management/v1/users/1/grants/2/_deactivate")
    .reply(200, done)
    .delete("/management/v1/user_grants/_bulk", { grantId: ["2"] })
    .reply(200, {})
    .post("/management/v1/users/1/grants/gone/_deactivate")
    .reply(404, notFound);
  await callEachMethod().finally(() => nock.restore());
  expect(nock.isDone()).toBe(true);
});

afterEach(() => vi.useRealTimers());

it("renews tokens by fake timers", async () => {
  vi.useFakeTimers();
  const sandbox = await startSandbox({ accessTokenLifetimeMs: 3_600_000 });
  const token = serviceUser(sandbox.addKey(), { issuer: sandbox.baseUrl });
  const client = createManagementClient({ baseUrl: sandbox.baseUrl, token });
  const first = await token();
  await client.deactivateUserGrant(sandbox.addGrant());
  vi.setSystemTime(Date.now() + 2 * 3_600_000);
  await client.deactivateUserGrant(sandbox.addGrant());
  expect(await token()).not.toBe(first);
  await sandbox.close();
});
