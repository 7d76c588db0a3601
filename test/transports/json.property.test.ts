import { ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManagementClient } from "../../src/json.js";
import { seed } from "../support/seed.js";

const token = "a-secret-token";

/** What a removal comes to when this is the answer: true for done, else the error. */
async function outcome(body: string, init: ResponseInit): Promise<true | ConnectError> {
  const client = createManagementClient({
    baseUrl: "http://localhost",
    token,
    fetch: async () => new Response(body, init),
  });
  try {
    await client.bulkRemoveUserGrant({ grantId: ["1"] });
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectError);
    return error as ConnectError;
  }
}

const types = fc.constantFrom(
  "application/json",
  "application/json; charset=utf-8",
  "application/problem+json",
  "text/json",
  "text/html",
  "text/plain",
  "application/grpc-web+proto",
  "application/jsonp",
  "",
);
const bodies = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "{}",
    " {} ",
    "{",
    "[]",
    "null",
    "[{}]",
    "{}{}",
    "<html>",
    token,
    `{"t":"${token}"}`,
  ),
  fc.json().chain((text) => fc.nat(text.length).map((end) => text.slice(0, end))),
);

/** Those that come without a body are left out: a Response cannot be made of them with one. */
const statuses = fc
  .integer({ min: 200, max: 599 })
  .filter((status) => ![204, 205, 304].includes(status));

function isObject(body: string): boolean {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

describe("a removal", () => {
  it(`is done only where JSON says so, and no answer brings the token into an error (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(bodies, types, statuses, async (body, type, status) => {
        const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
        const result = await outcome(body, { status, headers });
        if (result === true) {
          expect(status).toBeLessThan(300);
          expect(type).toMatch(/^application\/json(;|$)/);
          expect(isObject(body)).toBe(true);
        } else {
          expect(`${result.message} ${result.cause}`).not.toContain(token);
        }
      }),
      { seed, numRuns: 1000 },
    );
  });

  it("is not done by any beginning of an answer", async () => {
    const whole = '{"details":{"sequence":"2", "changeDate":"2026-11-22T06:52:50.101406Z"}}';
    const headers = { "content-type": "application/json" };
    const client = (body: string) =>
      createManagementClient({
        baseUrl: "http://localhost",
        fetch: async () => new Response(body, { headers }),
      });
    const grant = { userId: "1", grantId: "2" };
    for (let end = 0; end < whole.length; end++) {
      const call = client(whole.slice(0, end)).deactivateUserGrant(grant);
      await expect(call).rejects.toBeInstanceOf(ConnectError);
    }
    expect((await client(whole).deactivateUserGrant(grant)).details?.sequence).toBe(2n);
  });
});
