import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { mayHaveBeenApplied } from "../../../src/errors/certainty.js";
import * as inPage from "../../../src/grpc-web.js";
import * as grpcWeb from "../../../src/grpc-web.node.js";
import * as json from "../../../src/json.js";
import { startSecureServer } from "../../networks/servers.js";
import { makeCertificate } from "../../support/certificates.js";
import { failureOf } from "../../support/protocols.js";

const entries = [
  ["gRPC-web", grpcWeb],
  ["JSON", json],
] as const;

const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause });
const systemError = (syscall: string, code: string) =>
  Object.assign(new Error(`${syscall} ${code}`), { syscall, code });

describe.each(entries)(
  "a bulk removal over %s whose fetch fails",
  (_, { createManagementClient }) => {
    async function attempt(baseUrl: string, fetch: typeof globalThis.fetch) {
      let requests = 0;
      const client = createManagementClient({
        baseUrl,
        fetch: (...call) => {
          requests++;
          return fetch(...call);
        },
      });
      const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
      expect(error).toMatchObject({ code: Code.Unavailable });
      return { error, requests };
    }
    const fails = (cause: unknown) =>
      attempt("https://example.com", () => Promise.reject(fetchFailed(cause)));

    it.each([
      systemError("getaddrinfo", "ENOTFOUND"),
      systemError("getaddrinfo", "EAI_AGAIN"),
      systemError("connect", "ECONNREFUSED"),
      systemError("connect", "EHOSTUNREACH"),
      Object.assign(new Error("Connect Timeout Error"), { code: "UND_ERR_CONNECT_TIMEOUT" }),
      Object.assign(
        new AggregateError([
          systemError("connect", "ENETUNREACH"),
          systemError("connect", "ECONNREFUSED"),
        ]),
        { code: "ENETUNREACH" },
      ),
      Object.assign(new Error("not trusted"), { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }),
      new Error("the proxy cannot be reached", { cause: systemError("connect", "ECONNREFUSED") }),
    ])("before there is a connection (%s) is retried once, and was never sent", async (cause) => {
      const { error, requests } = await fails(cause);
      expect(requests).toBe(2);
      expect(mayHaveBeenApplied(error)).toBe(false);
    });

    it.each([
      systemError("read", "ECONNREFUSED"),
      systemError("read", "EHOSTUNREACH"),
      systemError("write", "ENETUNREACH"),
      systemError("read", "ECONNRESET"),
      Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }),
      Object.assign(new Error("EHOSTUNREACH"), { code: "EHOSTUNREACH" }),
      new AggregateError([
        systemError("connect", "ECONNREFUSED"),
        systemError("read", "ECONNRESET"),
      ]),
      undefined,
    ])("on a connection (%s) is not retried", async (cause) => {
      const { error, requests } = await fails(cause);
      expect(requests).toBe(1);
      expect(mayHaveBeenApplied(error)).toBe(true);
      expect(error.message).toContain("may have been carried out");
    });

    it("on the platform's own check of a certificate was never sent", async () => {
      const name = { name: "localhost", dnsNames: ["localhost"], addresses: ["127.0.0.1"] };
      const server = await startSecureServer(makeCertificate(name));
      const { error, requests } = await attempt(`https://localhost:${server.port}`, fetch);
      expect([mayHaveBeenApplied(error), requests, server.requests.length]).toEqual([false, 2, 0]);
    });
  },
);

describe.each(entries)("a call over %s", (_, { createManagementClient }) => {
  it("fails with DeadlineExceeded when an error arrives at its deadline", async () => {
    const client = createManagementClient({
      baseUrl: "https://example.com",
      fetch: async () => {
        // As when the program was busy: no timer has fired yet.
        const until = performance.now() + 20;
        while (performance.now() < until);
        throw new ConnectError("Organisation doesn't exist", Code.PermissionDenied);
      },
    });
    await expect(
      client.bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs: 10 }),
    ).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });
});

it("a page does without these tables, since no browser says why a fetch failed: the call is in doubt", async () => {
  const fetch = () => Promise.reject(fetchFailed(systemError("connect", "ECONNREFUSED")));
  const client = inPage.createManagementClient({ baseUrl: "https://example.com", fetch });
  const error = await failureOf(client.bulkRemoveUserGrant({ grantId: ["1"] }));
  expect(mayHaveBeenApplied(error)).toBe(true);
});
