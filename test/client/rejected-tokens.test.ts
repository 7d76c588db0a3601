import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createClientCredentials } from "../../src/auth/service-user.js";
import { createCredentials } from "../../src/client/credentials.js";
import { decided } from "../../src/errors/certainty.js";
import { DeactivateUserGrantResponseSchema } from "../../src/grpc-web.js";
import { createFakeIssuer } from "../auth/fake-issuer.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { createScriptedClient } from "../support/scripted-attempts.js";

function start() {
  const environment = new FakeEnvironment();
  const server = createFakeIssuer();
  const source = createClientCredentials(
    { issuer: server.issuer, clientId: "admin", clientSecret: "s3cret-1", fetch: server.fetch },
    environment,
  );
  const { attempts } = createCredentials({ token: source }, environment);
  const call = (respond: (token: string) => Promise<string>) => {
    let answer = "";
    const client = createScriptedClient(async ({ fields }) => {
      answer = await respond(fields.authorization?.replace("Bearer ", "") ?? "");
      return create(DeactivateUserGrantResponseSchema);
    }, attempts);
    return client.deactivateUserGrant({}).then(() => answer);
  };
  return { environment, server, call };
}

const rejected = () =>
  Promise.reject(
    decided(new ConnectError("Errors.Token.Invalid", Code.Unauthenticated), "rejected"),
  );

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
        "[unauthenticated] Errors.Token.Invalid. A token that had just been issued was rejected as well, so no new one is requested for 1 s; the call was not carried out",
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

  it("a token that is accepted then is used, and replaced when it is rejected later", async () => {
    const { environment, server, call } = start();
    await expect(call(rejected)).rejects.toThrow("Errors.Token.Invalid");
    expect(await call(async (token) => token)).toBe("token-2");
    await environment.advance(2_000);
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
      /^no token: token request at \S+ was rejected: HTTP 400, invalid_client \(no\).*; nothing was sent$/s,
    );
    expect(error.cause).toMatchObject({ oauthError: "invalid_client" });
  });
});
