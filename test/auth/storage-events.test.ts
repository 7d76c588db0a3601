import { expect, it, onTestFinished, vi } from "vitest";
import { createStore } from "../../src/auth/sign-in/store.js";
import { createTabs } from "../../src/auth/sign-in/tabs.js";
import { platform } from "../../src/common/environment.js";

it.each([
  ["another tab has stored a session", "of this application", 1],
  ["the storage was cleared", null, 1],
  ["other code of the origin has stored something", "of other code", 0],
])("a tab looks at its session when %s", (_, key, looks) => {
  const listeners: ((event: { key: string | null }) => void)[] = [];
  vi.stubGlobal("addEventListener", (type: string, listener: (typeof listeners)[number]) => {
    expect(type).toBe("storage");
    listeners.push(listener);
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const onChange = vi.fn();
  const store = createStore("localStorage", "of this application");
  createTabs("of this application", true, store, platform, { onChange, onSignedOut: vi.fn() });
  for (const listener of listeners) {
    listener({ key });
  }
  expect(onChange).toHaveBeenCalledTimes(looks);
});
