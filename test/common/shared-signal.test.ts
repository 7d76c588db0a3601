import { expect, it } from "vitest";
import { SharedSignal } from "../../src/common/time.js";

it("calls each listener once, and none that was removed or comes later", () => {
  const signal = new SharedSignal();
  const called: string[] = [];
  const stays = () => called.push("stays");
  const leaves = () => called.push("leaves");
  const removesAnother = () => {
    called.push("removes another");
    signal.removeEventListener("abort", removed);
  };
  const removed = () => called.push("removed");
  for (const listener of [stays, leaves, stays, removesAnother, removed]) {
    signal.addEventListener("abort", listener);
  }
  signal.removeEventListener("abort", leaves);
  expect(signal.aborted).toBe(false);
  signal.abort();
  signal.abort();
  signal.addEventListener("abort", leaves);
  expect(signal.aborted).toBe(true);
  expect(called).toEqual(["stays", "removes another"]);
});
