import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import type { TestBrowser, TestPage } from "../support/test-browser.js";
import { startSignInSite, storages } from "./sign-in-site.js";

/** What depends on the browser: addresses, storage, locks, and what tabs tell each other. */
export function describeSignIn(browser: string, launch: () => Promise<TestBrowser>): void {
  describe(browser, () => {
    const site = startSignInSite(launch);

    describe("the return address", () => {
      it.each(["//evil.example/x", "/.//evil.example/x"])(
        "a return address of %s stays on the origin, and the code leaves the address",
        async (path) => {
          const page = await site.open("memory");
          await site.inPage(page, "start", site.origin + path).catch(() => {});
          await page.getByRole("button", { name: "Sign in" }).click();
          await page.waitForURL(`${site.origin}/**`);
          const { first } = await site.inPage(page, "callback");
          expect(first).toMatchObject({ ok: true, value: { returnTo: "/evil.example/x" } });
          expect(await page.evaluate(() => location.href)).toBe(`${site.origin}/evil.example/x`);
          expect(site.grants).toHaveLength(1);
        },
      );
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

      it("cancels a sign-in whose callback is in progress in another tab", async () => {
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
          expect(site.grants).toHaveLength(3);
        },
      );

      it.each(["memory", "sessionStorage"] as const)(
        "are in no message that another document of the origin receives: %s",
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

      /** Calls of both tabs, five times after their token was rejected, cost one refresh each time. */
      async function expectSharedRefreshes(first: TestPage, second: TestPage) {
        for (let round = 1; round <= 5; round++) {
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
      it("two tabs that share a session refresh once, and both continue", async () => {
        const first = await site.openSignedIn("localStorage");
        const second = await site.open("localStorage");
        await expectSharedRefreshes(first, second);
      });

      it("a duplicated tab has a copy of the session: both refresh one at a time and share the result", async () => {
        const first = await site.openSignedIn("sessionStorage");
        const second = await site.duplicate(first);
        expect(await site.tokenOf(second)).toBe(await site.tokenOf(first));
        await expectSharedRefreshes(first, second);
      });

      it("a duplicated tab that was not notified of a refresh requests the result", async () => {
        const first = await site.openSignedIn("sessionStorage");
        const session = await site.stored(first);
        site.sandbox.expireTokens();
        expect(await site.inPage(first, "deactivate", site.sandbox.addGrant())).toMatchObject({
          ok: true,
        });
        // The copy is from before the refresh: its refresh token is dead.
        const second = await site.duplicate(first, session);
        expect(await site.inPage(second, "deactivate", site.sandbox.addGrant())).toMatchObject({
          ok: true,
        });
        expect(await site.tokenOf(second)).toBe(await site.tokenOf(first));
        // The used refresh token was not sent.
        expect(site.grants).toHaveLength(1);
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
