import type { Page } from "playwright-core";

/** As much of Playwright's browsers as tests use that run in others too. */
export interface TestBrowser<P extends TestPage = TestPage> {
  newContext(): Promise<TestContext<P>>;
  close(): Promise<void>;
}

/** A profile of its own: storage, locks and channels are shared within it. */
export interface TestContext<P extends TestPage = TestPage> {
  newPage(): Promise<P>;
  close(): Promise<void>;
}

export interface TestPage extends Pick<Page, "addInitScript" | "evaluate"> {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  getByRole(role: "button", options: { name: string }): { click(): Promise<void> };
  /** Waits until a document is loaded whose address is this, or begins with what stands before `**`. */
  waitForURL(url: string): Promise<void>;
  close(): Promise<void>;
}
