import dns from "node:dns";
import type { LookupFunction } from "node:net";
import { Code } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startSandbox } from "../../src/sandbox/index.js";
import { respondWell } from "../faults/exchange.js";
import { makeCertificate } from "../support/certificates.js";
import { createClient, failureOf, protocols, startWire } from "../support/protocols.js";
import { connect, deactivate } from "./clients.js";
import { startSecureServer } from "./servers.js";

/** Has Node resolve the names under `.test` as the test says; undefined for a name that there is not. */
function stubLookup(addresses: () => { address: string; family: number }[] | undefined): void {
  const lookup: LookupFunction = (hostname, options, callback) => {
    const found = hostname.endsWith(".test") ? addresses() : [{ address: hostname, family: 4 }];
    if (found === undefined) {
      const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`);
      callback(
        Object.assign(error, { code: "ENOTFOUND", hostname, syscall: "getaddrinfo" }),
        "",
        0,
      );
    } else if (options.all === true) {
      callback(null, found);
    } else {
      callback(null, found[0]?.address ?? "", found[0]?.family ?? 4);
    }
  };
  vi.spyOn(dns, "lookup").mockImplementation(lookup as never);
}

describe.each(protocols)("over %s", (protocol) => {
  async function start() {
    const sandbox = await startSandbox({ hosts: ["localhost", "two.test"] });
    onTestFinished(() => sandbox.close());
    const grant = sandbox.addGrant();
    const port = new URL(sandbox.baseUrl).port;
    const client = (host: string, instanceHost?: string) =>
      createClient(protocol, {
        baseUrl: `http://${host}:${port}`,
        instanceHost,
        token: sandbox.token,
        orgId: sandbox.orgId,
        allowInsecure: true,
      });
    return { sandbox, grant, client };
  }

  it("an IPv6 address is a host like any other", async () => {
    const { sandbox, grant, client } = await start();
    await client("[::1]", "localhost").deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });

  it("a name with a dead first address reaches the second", async () => {
    const { sandbox, grant, client } = await start();
    stubLookup(() => [
      { address: "127.0.0.77", family: 4 },
      { address: "::1", family: 6 },
    ]);
    await client("two.test").deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });

  it("a name that cannot be resolved is Unavailable, and reached once it can be", async () => {
    let known = false;
    const { sandbox, grant, client } = await start();
    stubLookup(() => (known ? [{ address: "127.0.0.1", family: 4 }] : undefined));
    const twoTest = client("two.test");
    const error = await failureOf(twoTest.deactivateUserGrant(grant));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.message).toMatch(/ENOTFOUND two\.test/);
    known = true;
    await twoTest.deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });

  it.each(["http", "https"])("a pinned address is connected to, over %s", async (scheme) => {
    const lookup: LookupFunction = (_, { all }, callback) =>
      all ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4);
    const certificate = makeCertificate({ name: "pinned.test", dnsNames: ["pinned.test"] });
    const { port } =
      scheme === "https"
        ? await startSecureServer(certificate)
        : await startWire(protocol, respondWell);
    const baseUrl = `${scheme}://pinned.test:${port}`;
    const transport = connect(protocol, baseUrl, { ca: certificate.cert, lookup });
    expect(await deactivate(transport)).toBe(5n);
  });

  it("instanceHost names the instance if the address does not", async () => {
    const { sandbox, grant, client } = await start();
    stubLookup(() => [{ address: "127.0.0.1", family: 4 }]);
    const error = await failureOf(client("cluster.test").deactivateUserGrant(grant));
    expect(error.message).toMatch(/unable to set instance/);
    await client("cluster.test", "localhost").deactivateUserGrant(grant);
    expect(sandbox.grant(grant.grantId)?.state).toBe("inactive");
  });
});
