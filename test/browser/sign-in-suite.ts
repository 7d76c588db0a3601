import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { TestBrowser, TestPage } from "../support/test-browser.js";
import { startSignInSite, storages, where } from "./sign-in-site.js";

/** What depends on the browser: addresses, storage, locks, and what tabs tell each other. */
export function describeSignIn(browser: string, launch: () => Promise<TestBrowser>): void {
  describe(browser, () => {
    const site = startSignInSite(launch);

    describe("the return address", () => {
      it("stays on the origin, and the code leaves the address", async () => {
        const page = await site.open("memory");
        await site.inPage(page, "start", `${site.origin}/.//evil.example/x`).catch(() => {});
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.waitForURL(`${site.origin}/**`);
        const { first } = await site.inPage(page, "callback");
        expect(first).toMatchObject({ ok: true, value: { returnTo: "/evil.example/x" } });
        expect(await page.evaluate(() => location.href)).toBe(`${site.origin}/evil.example/x`);
        expect(site.grants).toHaveLength(1);
      });
    });

    describe("what comes back from the login page", () => {
      it.each<[string, (page: TestPage) => Promise<void>, object]>([
        ["signed in", (page) => site.comeBack(page), { ok: true }],
        ["cancelled", (page) => site.comeBack(page, "Cancel"), { ok: false, why: "cancelled" }],
        [
          "a used one",
          async (page) => {
            await site.comeBack(page, "Cancel");
            await page.goto(`${site.origin}/memory/callback?code=1&state=${site.unknownState}`);
          },
          { ok: false, why: "no-such-sign-in" },
        ],
      ])("is told apart, each time it is asked for: %s", async (_, act, expected) => {
        const page = await site.open("memory", "/grants?x=1");
        await act(page);
        const { first, second, third, other } = await site.inPage(page, "callback");
        expect([first, second, third]).toEqual([first, first, first]);
        expect(first).toMatchObject(expected);
        expect(other).toEqual({ ok: true, value: undefined });
        expect(await page.evaluate(() => location.href)).not.toMatch(/code=|state=/);
      });

      it("is found at an address that the host has rewritten", async () => {
        site.addSlashes();
        const page = await site.openSignedIn("memory");
        expect(await page.evaluate(() => location.href)).toBe(
          `${site.origin}/memory/x/people?page=2#row-7`,
        );
      });

      it("is taken by the sign-in of the page that it belongs to", async () => {
        const page = await site.open("memory");
        await site.inPage(page, "startOther").catch(() => {});
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.waitForURL(`${site.origin}/memory/**`);
        const { first, other } = await site.inPage(page, "callback");
        expect(other).toMatchObject({ ok: true, value: { userId: expect.any(String) } });
        expect(first).toEqual({ ok: true, value: undefined });
      });

      it("leads back to no address that looks like a response", async () => {
        const page = await site.open("memory");
        const returnTo = "/memory/callback?code=1&state=zitadel-user-grants-x&keep=1";
        await site.comeBack(page, "Sign in", { returnTo });
        const { first, third } = await site.inPage(page, "callback");
        expect(first).toMatchObject({ ok: true, value: { returnTo: "/memory/callback?keep=1" } });
        expect(third).toEqual(first);
      });
    });

    describe("a sign-out is a state of every tab", () => {
      it.each(["sessionStorage", "localStorage"] as const)(
        "that ran no script meanwhile, and its refresh token is revoked: %s",
        async (storage) => {
          const first = await site.openSignedIn(storage);
          const second = await site.openSignedIn(storage);
          const { refreshToken } = JSON.parse(await site.session(second));
          await second.goto("about:blank");
          await site.inPage(first, "signOut").catch(() => {});
          await first.waitForURL(`${site.origin}/${storage}/bye`);
          await second.goto(`${site.origin}/${storage}${where}`);
          expect(await site.inPage(second, "signedIn")).toBe(false);
          expect(await site.inPage(second, "token")).toMatchObject({ ok: false });
          await expect.poll(() => site.inPage(second, "pendingRevocations")).toBe(0);
          expect(await site.isAlive(refreshToken)).toBe(false);
        },
      );

      it("that is at the login page", async () => {
        const storage = "memory";
        const first = await site.openSignedIn(storage);
        const second = await site.open(storage);
        await site.inPage(second, "start").catch(() => {});
        await second.waitForURL("**/ui/login**");
        await site.inPage(first, "signOut").catch(() => {});
        await first.waitForURL(`${site.origin}/${storage}/bye`);
        await second.getByRole("button", { name: "Sign in" }).click();
        await second.waitForURL(`${site.origin}/${storage}/**`);
        const { first: outcome } = await site.inPage(second, "callback");
        expect(outcome).toMatchObject({ ok: false, why: "signed-out" });
        expect(await site.inPage(second, "signedIn")).toBe(false);
        // The next one is a new one.
        await site.comeBack(second);
        expect((await site.inPage(second, "callback")).first).toMatchObject({ ok: true });
      });

      it("whose sign-in is in progress", async () => {
        const storage = "localStorage";
        const first = await site.openSignedIn(storage);
        const second = await site.open(storage);
        site.holdTokenResponses();
        await site.inPage(second, "start").catch(() => {});
        await second.getByRole("button", { name: "Sign in" }).click();
        await second.waitForURL(`${site.origin}/${storage}/**`);
        await expect.poll(() => site.inPage(second, "held")).toBe(1);
        await site.inPage(first, "signOut").catch(() => {});
        await first.waitForURL(`${site.origin}/${storage}/bye`);
        await site.inPage(second, "release");
        const { first: outcome } = await site.inPage(second, "callback");
        expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
        expect(JSON.stringify(outcome)).toContain("the user signed out meanwhile");
        expect(await site.inPage(second, "signedIn")).toBe(false);
        expect(await site.holds(second)).toBe(false);
      });
    });

    describe("refresh tokens that are over", () => {
      it("are revoked when another sign-in replaces them", async () => {
        const page = await site.openSignedIn("localStorage");
        const { refreshToken } = JSON.parse(await site.session(page));
        await site.comeBack(page, "Sign in", { parameters: { prompt: "login" } });
        expect((await site.inPage(page, "callback")).first).toMatchObject({ ok: true });
        await expect.poll(() => site.inPage(page, "pendingRevocations")).toBe(0);
        expect(await site.isAlive(refreshToken)).toBe(false);
        expect(await site.inPage(page, "deactivate", site.sandbox.addGrant())).toMatchObject({
          ok: true,
        });
      });

      it("stay known until they are revoked: signOut() says so, the page tries again, and so does the next one", async () => {
        site.failRevocations();
        const page = await site.openSignedIn("localStorage");
        const { refreshToken } = JSON.parse(await site.session(page));
        const outcome = await site.inPage(page, "signOut");
        expect(outcome).toMatchObject({ ok: false, code: Code.Unavailable });
        expect(JSON.stringify(outcome)).toContain("a token is not revoked");
        expect(await site.inPage(page, "signedIn")).toBe(false);
        expect(await site.inPage(page, "pendingRevocations")).toBe(1);
        await page.reload();
        expect(await site.inPage(page, "pendingRevocations")).toBe(1);
        await site.inPage(page, "revoke");
        await expect.poll(() => site.inPage(page, "pendingRevocations")).toBe(0);
        expect(await site.isAlive(refreshToken)).toBe(false);
        await site.inPage(page, "signOut").catch(() => {});
        await page.waitForURL(`${site.origin}/localStorage/bye`);
      });
    });

    it("a tab that holds the lock of the session is named in the errors of the others", async () => {
      const first = await site.openSignedIn("localStorage");
      const second = await site.open("localStorage");
      await site.inPage(first, "holdLock");
      const token = await site.tokenOf(second);
      const outcome = await site.inPage(second, "refuseWithin", token, 500);
      expect(outcome).toMatchObject({ ok: false, code: Code.DeadlineExceeded });
      expect(JSON.stringify(outcome)).toContain("another tab of this application is renewing");
    });

    describe.each(storages)("signing out with tokens in %s", (storage) => {
      it("ends the sessions of all tabs, each of which is notified and requests no token again", async () => {
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
        expect(await site.holds(second)).toBe(false);
        // The other tab's own tokens are revoked too.
        await expect.poll(() => site.userinfoStatus(token)).toBe(401);
      });
    });

    describe("who is signed in", () => {
      it.each(storages)(
        "user() has the ID token's claims after sign-in and refresh: %s",
        async (storage) => {
          const page = await site.openSignedIn(storage);
          const user = await site.inPage(page, "user");
          expect(user).toMatchObject({ sub: expect.any(String), iss: site.sandbox.baseUrl });
          expect(await site.inPage(page, "isStable")).toBe(true);
          site.sandbox.expireTokens();
          await site.tokenAfterRejection(page);
          expect(await site.inPage(page, "user")).toMatchObject({ sub: user?.sub });
          await page.reload();
          const afterReload = await site.inPage(page, "user");
          expect(afterReload?.sub).toBe(storage === "memory" ? undefined : user?.sub);
        },
      );

      it("a tab is notified when a user signs in, signs out and signs in again in another one", async () => {
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

      it("a tab that listens is notified of another user, and continues as that user", async () => {
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

      it("a tab that does not listen never continues as another user", async () => {
        const first = await site.openSignedIn("localStorage");
        await site.tokenOf(first);
        const second = await site.open("localStorage");
        await site.storeAnotherUser(second);
        // What another tab stores takes a moment to be seen.
        await expect.poll(() => site.inPage(first, "token")).toMatchObject({ ok: false });
        const outcome = await site.inPage(first, "token");
        expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
        expect(JSON.stringify(outcome)).toContain("another user has signed in in another tab");
        expect(await site.inPage(first, "signedIn")).toBe(false);
        expect(await site.inPage(first, "user")).toBeUndefined();
        await first.reload();
        expect(await site.inPage(first, "user")).toMatchObject({ sub: "another-user" });
      });

      it("the end of a session is reported", async () => {
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
      it("survive a storage that rejects what is written to it", async () => {
        const page = await site.openSignedIn("localStorage");
        await site.inPage(page, "breakStorage");
        const tokens = new Set<string>();
        for (let round = 0; round < 3; round++) {
          site.sandbox.expireTokens();
          tokens.add(await site.tokenAfterRejection(page));
        }
        expect(tokens.size).toBe(3);
        expect(site.grants).toHaveLength(3);
      });

      /** Calls of both tabs, three times after their token was rejected, cost one refresh each time. */
      async function expectSharedRefreshes(first: TestPage, second: TestPage) {
        for (let round = 1; round <= 3; round++) {
          site.sandbox.expireTokens();
          const calls = [first, second].flatMap((page) =>
            Array.from({ length: 3 }, () =>
              site.inPage(page, "deactivate", site.sandbox.addGrant()),
            ),
          );
          expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true);
          expect(await site.tokenOf(first)).toBe(await site.tokenOf(second));
          expect(site.grants).toHaveLength(round);
        }
      }

      it("each tab refreshes its own session when the tabs share none", async () => {
        const first = await site.openSignedIn("memory");
        const second = await site.openSignedIn("memory");
        for (let round = 1; round <= 3; round++) {
          site.sandbox.expireTokens();
          const tokens = await Promise.all([
            site.tokenAfterRejection(first),
            site.tokenAfterRejection(second),
          ]);
          expect(new Set(tokens).size).toBe(2);
          expect(site.grants).toHaveLength(2 * round);
        }
      });
      it("two tabs that share a session refresh once, and both continue", async () => {
        const first = await site.openSignedIn("localStorage");
        const second = await site.open("localStorage");
        await expectSharedRefreshes(first, second);
      });

      it("a duplicated tab has a copy of the session: when one of the two renews it, it ends in the other", async () => {
        const first = await site.openSignedIn("sessionStorage");
        const second = await site.duplicate(first);
        const token = await site.tokenOf(first);
        expect(await site.tokenOf(second)).toBe(token);
        await site.inPage(second, "listen");
        site.sandbox.expireTokens();
        expect(await site.tokenAfterRejection(first)).not.toBe(token);
        const outcome = await site.inPage(second, "refuse", token);
        expect(outcome).toMatchObject({ ok: false, code: Code.Unauthenticated });
        expect(await site.inPage(second, "changes")).toEqual([{ type: "session-ended" }]);
        // The other one goes on.
        site.sandbox.expireTokens();
        await site.tokenAfterRejection(first);
      });

      it("signing out in one tab signs out in its duplicate", async () => {
        const first = await site.openSignedIn("sessionStorage");
        const second = await site.duplicate(first);
        await site.inPage(first, "signOut").catch(() => {});
        await first.waitForURL(`${site.origin}/sessionStorage/bye`);
        await expect.poll(() => site.inPage(second, "signedIn")).toBe(false);
      });
    });
  });
}
