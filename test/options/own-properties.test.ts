import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.js";
import * as json from "../../src/json.js";
import { checkOptions, number } from "../../src/options/checker.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { startSecureServer } from "../networks/servers.js";
import { makeCertificate } from "../support/certificates.js";

const polluted = new Set<string>();

/** What an attacker has put on the prototype of all objects, until the end of the test. */
function pollute(name: string, value: unknown, enumerable = false): void {
  polluted.add(name);
  Object.defineProperty(Object.prototype, name, {
    value,
    configurable: true,
    enumerable,
    writable: true,
  });
}

function clean(): void {
  for (const name of polluted) {
    Reflect.deleteProperty(Object.prototype, name);
  }
  polluted.clear();
}

afterEach(clean);

const entries = [
  ["gRPC", grpc],
  ["gRPC-web", grpcWeb],
  ["JSON", json],
] as const;

describe("a polluted Object.prototype has no effect:", () => {
  it("nodeOptions do not make a self-signed server trusted", async () => {
    const name = { name: "localhost", dnsNames: ["localhost"], addresses: ["127.0.0.1"] };
    const server = await startSecureServer(makeCertificate(name));
    pollute("nodeOptions", { rejectUnauthorized: false });
    const client = grpc.createManagementClient({
      baseUrl: `https://localhost:${server.port}`,
      token: "secret-token",
    });
    onTestFinished(() => grpc.close(client));
    await expect(client.bulkRemoveUserGrant({ grantId: ["1"] })).rejects.toThrow(/certificate/);
    expect(server.requests).toEqual([]);
  });

  it.each(entries)("orgId, instanceHost, token and headers over %s", async (_, entry) => {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const { grantId } = sandbox.addGrant();
    pollute("orgId", "another-organization");
    pollute("instanceHost", "attacker.example");
    pollute("allowInsecure", true);
    pollute("retry", true);
    const client = entry.createManagementClient({
      baseUrl: sandbox.baseUrl,
      token: sandbox.token,
    });
    onTestFinished(() => grpc.close(client));
    await client.bulkRemoveUserGrant({ grantId: [grantId] });
    expect(sandbox.grant(grantId)).toBeUndefined();
    expect(() => entry.createManagementClient({ baseUrl: "http://zitadel.internal" })).toThrow(
      /https/,
    );
  });

  it("fetch, issuer and tokenEndpointAuthMethod of token sources", async () => {
    const stolen = vi.fn();
    pollute("fetch", stolen);
    pollute("issuer", "https://attacker.example");
    expect(() => clientCredentials({ clientId: "id", clientSecret: "secret" } as never)).toThrow(
      /issuer/,
    );
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("fetch failed");
    });
    const source = clientCredentials({
      issuer: "https://example.com",
      clientId: "id",
      clientSecret: "secret",
    });
    await expect(source({ signal: AbortSignal.timeout(200) })).rejects.toThrow();
    expect(stolen).not.toHaveBeenCalled();
  });
});

describe("what is checked is what is used:", () => {
  const checks = { size: number(1, 10), list: ["an array", Array.isArray], bag: ["", () => true] };
  const check = (options: object) =>
    checkOptions<Record<string, unknown>>(options, checks as never);

  it("each option is read once", () => {
    let reads = 0;
    const options = {
      get size() {
        return ++reads === 1 ? 5 : 5_000;
      },
    };
    expect(check(options).size).toBe(5);
    expect(reads).toBe(1);
  });

  it("the result is frozen, and has nothing that is inherited", () => {
    const checked = check(Object.create({ list: [] }, { size: { value: 1, enumerable: true } }));
    expect(Object.isFrozen(checked)).toBe(true);
    expect(Object.getPrototypeOf(checked)).toBeNull();
    expect(Object.keys(checked)).toEqual(["size"]);
  });

  it("later changes to a list or a plain object do not count", () => {
    const list = [1];
    const bag = { a: 1 };
    const checked = check({ list, bag });
    list.push(2);
    bag.a = 2;
    expect(checked.list).toEqual([1]);
    expect(checked.bag).toMatchObject({ a: 1 });
  });
});
