import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { startSignInSite, storages } from "./sign-in-site.js";

const site = startSignInSite();

describe.each(storages)("signing out with tokens in %s", (storage) => {
  it("ends the sessions of all tabs, each of which is told and asks for no token again", async () => {
    const first = await site.openSignedIn(storage);
    const second = await site.openSignedIn(storage);
    const token = await site.tokenOf(second);
    await site.inPage(second, "listen");
    await site.inPage(first, "signOut").catch(() => {});
    await first.waitForURL(`${site.origin}/${storage}/bye`);
    await expect.poll(() => site.inPage(second, "signedIn")).toBe(false);
    expect(await site.inPage(second, "changes")).toEqual([{ type: "signed-out" }]);
    expect(await site.inPage(second, "user")).toBeUndefined();
    expect(await site.inPage(second, "token")).toMatchObject({
      ok: false,
      code: Code.Unauthenticated,
    });
    expect(site.grants).toEqual([]);
    expect(await site.stored(second)).toBe("[{},{}]");
    // The other tab's own tokens are revoked too.
    await expect.poll(() => site.userinfoStatus(token)).toBe(401);
  });

  it("ends a sign-in whose callback is under way in another tab", async () => {
    const first = await site.openSignedIn(storage);
    const second = await site.open(storage);
    let respond = () => {};
    const requested = new Promise<void>((resolve) => {
      void second.route(`${site.sandbox.baseUrl}/oauth/v2/token`, async (route) => {
        const response = await route.fetch();
        resolve();
        await new Promise<void>((done) => {
          respond = done;
        });
        await route.fulfill({ response });
      });
    });
    await site.inPage(second, "start").catch(() => {});
    await second.getByRole("button", { name: "Sign in" }).click();
    await requested;
    await site.inPage(first, "signOut").catch(() => {});
    await first.waitForURL(`${site.origin}/${storage}/bye`);
    respond();
    const { first: outcome } = await site.inPage(second, "callback");
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain("somebody signed out meanwhile");
    expect(await site.inPage(second, "signedIn")).toBe(false);
    expect(await site.stored(second)).toBe("[{},{}]");
  });
});

describe("who is signed in", () => {
  it.each(storages)(
    "user() has the ID token's claims after sign-in and refresh: %s",
    async (storage) => {
      const page = await site.openSignedIn(storage);
      const user = await site.inPage(page, "user");
      expect(user).toMatchObject({ sub: expect.any(String), iss: site.sandbox.baseUrl });
      site.sandbox.expireTokens();
      await site.tokenAfterRejection(page);
      expect(await site.inPage(page, "user")).toMatchObject({ sub: user?.sub });
      await page.reload();
      const afterReload = await site.inPage(page, "user");
      expect(afterReload?.sub).toBe(storage === "memory" ? undefined : user?.sub);
    },
  );

  it("a tab is told when somebody signs in, signs out and signs in again in another one", async () => {
    const first = await site.open("localStorage");
    await site.inPage(first, "listen");
    const second = await site.openSignedIn("localStorage");
    const sub = (await site.inPage(second, "user"))?.sub;
    await expect
      .poll(() => site.inPage(first, "changes"))
      .toEqual([{ type: "signed-in", user: sub }]);
    expect(await site.tokenOf(first)).toBe(await site.tokenOf(second));
    await site.inPage(second, "signOut").catch(() => {});
    await expect
      .poll(() => site.inPage(first, "changes"))
      .toEqual([{ type: "signed-in", user: sub }, { type: "signed-out" }]);
  });

  it("a tab that listens is told of another user, and goes on as that one", async () => {
    const first = await site.openSignedIn("localStorage");
    await site.inPage(first, "listen");
    const second = await site.open("localStorage");
    await site.storeAnotherUser(second);
    await expect
      .poll(() => site.inPage(first, "changes"))
      .toEqual([{ type: "user-changed", user: "another-user" }]);
    expect(await site.inPage(first, "user")).toMatchObject({ sub: "another-user" });
    expect(await site.inPage(first, "token")).toEqual({ ok: true, value: "another-token" });
  });

  it("a tab that does not listen never goes on as another user", async () => {
    const first = await site.openSignedIn("localStorage");
    await site.tokenOf(first);
    const second = await site.open("localStorage");
    await site.storeAnotherUser(second);
    const outcome = await site.inPage(first, "token");
    expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
    expect(JSON.stringify(outcome)).toContain("another user has signed in in another tab");
    expect(await site.inPage(first, "signedIn")).toBe(false);
    expect(await site.inPage(first, "user")).toBeUndefined();
    await first.reload();
    expect(await site.inPage(first, "user")).toMatchObject({ sub: "another-user" });
  });

  it("a session that ended is told as such", async () => {
    const page = await site.openSignedIn("memory", "/x?short");
    await site.inPage(page, "listen");
    site.sandbox.expireTokens();
    const token = await site.tokenOf(page);
    expect(await site.inPage(page, "refuse", token)).toMatchObject({ ok: false });
    expect(await site.inPage(page, "signedIn")).toBe(false);
    await expect.poll(() => site.inPage(page, "changes")).toEqual([{ type: "session-ended" }]);
  });
});

describe("rotating refresh tokens", () => {
  it.each(["sessionStorage", "localStorage"] as const)(
    "survive a storage that rejects what is written to it: %s",
    async (storage) => {
      const page = await site.openSignedIn(storage);
      await site.inPage(page, "breakStorage");
      const tokens = new Set<string>();
      for (let round = 0; round < 3; round++) {
        site.sandbox.expireTokens();
        tokens.add(await site.tokenAfterRejection(page));
      }
      expect(tokens.size).toBe(3);
      expect(site.grants).toEqual(Array(3).fill("refresh_token"));
    },
  );

  it.each(["memory", "sessionStorage"] as const)(
    "are in no message that another document of the origin hears: %s",
    async (storage) => {
      const spy = await site.open("memory");
      await site.inPage(spy, "eavesdrop");
      const page = await site.openSignedIn(storage);
      const copy = storage === "sessionStorage" ? await site.duplicate(page) : undefined;
      site.sandbox.expireTokens();
      const token = await site.tokenAfterRejection(page);
      if (copy !== undefined) {
        await expect.poll(() => site.tokenOf(copy)).toBe(token);
      }
      await expect.poll(() => site.inPage(spy, "heard")).toContain('"changed"');
      const heard = await site.inPage(spy, "heard");
      const session = storage === "memory" ? { token } : JSON.parse(await site.session(page));
      for (const secret of [
        session.token,
        session.refreshToken,
        session.idToken,
        session.shareKey,
      ]) {
        if (secret !== undefined) {
          expect(heard).not.toContain(secret);
        }
      }
    },
  );

  it("each tab refreshes its own session when the tabs share none", async () => {
    const first = await site.openSignedIn("memory");
    const second = await site.openSignedIn("memory");
    for (let round = 1; round <= 5; round++) {
      site.sandbox.expireTokens();
      const tokens = await Promise.all([
        site.tokenAfterRejection(first),
        site.tokenAfterRejection(second),
      ]);
      expect(new Set(tokens).size).toBe(2);
      expect(site.grants).toHaveLength(2 * round);
    }
  });
});
