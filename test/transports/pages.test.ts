import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { describeError } from "../../src/errors/describe.js";
import { responds } from "../faults/fault.js";
import { createClient, failureOf, protocols, startWire } from "../support/protocols.js";

const token = "a-secret-token";
const html = { "content-type": "text/html" };
const noType = { "content-type": [] };

/** What stands between: which response it sends, and what its error has to say. */
const pages: [string, Parameters<typeof responds>[0], Code, string[]][] = [
  [
    "a proxy's page",
    { status: 502, fields: html, body: "<html>Bad\n Gateway" },
    Code.Unavailable,
    ["502", "text/html", "could not reach"],
  ],
  [
    "an empty 502",
    { status: 502, fields: noType, body: "" },
    Code.Unavailable,
    ["502", "no content type"],
  ],
  [
    "a firewall's page",
    { status: 403, fields: html, body: "<h1>Blocked" },
    Code.PermissionDenied,
    ["403", "firewall"],
  ],
  [
    "a login page with 200",
    { fields: html, body: "<title>Sign in" },
    Code.Unknown,
    ["200", "text/html", "Sign in"],
  ],
  [
    "a load balancer's 400",
    {
      status: 400,
      fields: { ...html, server: "nginx" },
      body: "<TITLE lang=en>Bad\n Request ?code=s3cret</TITLE>",
    },
    Code.Internal,
    ["400", 'server "nginx"', 'titled "Bad Request"'],
  ],
  [
    "an echo of the token",
    {
      status: 500,
      fields: { "content-type": "text/plain" },
      body: `authorization: Bearer ${token}`,
    },
    Code.Unknown,
    ["500", "text/plain"],
  ],
  [
    "a redirect",
    { status: 302, fields: { location: `https://login.example.com/?t=${token}` }, body: "" },
    Code.Unknown,
    ["302"],
  ],
];

describe.each(protocols)("over %s", (protocol) => {
  it.each(pages)("%s is described, and not quoted", async (_, parts, code, texts) => {
    const { baseUrl } = await startWire(protocol, responds({ ...parts, end: "none" }));
    const client = createClient(protocol, { baseUrl, token });
    const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
    expect(Code[error.code]).toBe(Code[code]);
    // Over fetch no redirect is followed, so that it says where it would have led.
    const isRedirect = parts.status === 302 && protocol !== "grpc";
    for (const text of isRedirect ? ["redirect", "login.example.com"] : texts) {
      expect(error.message).toContain(text);
    }
    expect(error.message).not.toMatch(/Bad\s+Gateway|Blocked|s3cret/);
    expect(error.message).not.toContain(token);
    expect(describeError(error).id).toBeUndefined();
  });
});
