import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createClientCredentials } from "../../../src/auth/service-user.js";
import { createTokenAttempts, type Send } from "../../../src/client/interceptors/token-attempts.js";
import { createFakeIssuer } from "../../auth/fake-issuer.js";
import { FakeEnvironment } from "../../support/fake-environment.js";

interface Call {
  stream: boolean;
  signal: AbortSignal;
}

function start() {
  const environment = new FakeEnvironment();
  const server = createFakeIssuer();
  const source = createClientCredentials(
    { issuer: server.issuer, clientId: "admin", clientSecret: "s3cret-1", fetch: server.fetch },
    environment,
  );
  const attempts = createTokenAttempts<Call, string>(source, environment);
  const call = (send: (token: string) => Promise<string>) => {
    const sendOnce: Send<Call, string> = (request, token, reactions) =>
      send(token).then(reactions?.accepted, (error) => {
        if (reactions === undefined) {
          throw error;
        }
        return reactions.failed(request, sendOnce, token, error);
      });
    return attempts({ stream: false, signal: new AbortController().signal }, sendOnce);
  };
  return { environment, server, call };
}

const rejected = () =>
  Promise.reject(new ConnectError("Errors.Token.Invalid", Code.Unauthenticated));

describe("a server that rejects every token", () => {
  it("200 calls in a row make 2 token requests, and the error says why there are no more", async () => {
    const { server, call } = start();
    const errors: ConnectError[] = [];
    for (let count = 0; count < 200; count++) {
      await call(rejected).catch((error) => errors.push(error));
    }
    expect(server.tokenRequests).toHaveLength(2);
    expect(errors).toHaveLength(200);
    for (const error of errors) {
      expect(error.code).toBe(Code.Unauthenticated);
      expect(error.message).toBe(
        "[unauthenticated] Errors.Token.Invalid. A token that had just been issued was rejected as well, so no new one is requested for 1 s",
      );
      expect(error.stack).toContain(error.message);
    }
  });

  it("the pauses between token requests double up to 30 s", async () => {
    const { environment, server, call } = start();
    const requestedAtS: number[] = [];
    for (let second = 0; second < 120; second++) {
      const before = server.tokenRequests.length;
      await call(rejected).catch(() => {});
      if (server.tokenRequests.length > before) {
        requestedAtS.push(second);
      }
      await environment.advance(1_000);
    }
    expect(requestedAtS).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  });

  it("a token that is accepted ends the pause", async () => {
    const { server, call } = start();
    await expect(call(rejected)).rejects.toThrow("Errors.Token.Invalid");
    expect(await call(async (token) => token)).toBe("token-2");
    const accepts = (wanted: string) => async (token: string) =>
      token === wanted ? token : rejected();
    expect(await call(accepts("token-3"))).toBe("token-3");
    expect(server.tokenRequests).toHaveLength(3);
  });
});

describe("a source that has no token", () => {
  it("the call's error says that nothing was sent, with the cause", async () => {
    const { server, call } = start();
    server.respond = () =>
      Response.json({ error: "invalid_client", error_description: "no" }, { status: 400 });
    let sent = 0;
    const error = await call(async () => String(sent++)).catch((reason) => reason);
    expect(sent).toBe(0);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.Unauthenticated, oauthError: "invalid_client" });
    expect(error.rawMessage).toMatch(
      /^no token, so nothing was sent: token request at \S+ was rejected: HTTP 400, invalid_client \(no\)/,
    );
    expect(error.cause).toMatchObject({ oauthError: "invalid_client" });
  });
});
