import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createSummary } from "../../src/bulk/summary.js";
import { serverError } from "./model-server.js";

describe("the summary of a run", () => {
  it("counts what has come so far, with rate and time left", () => {
    let nowMs = 0;
    const summary = createSummary({ total: 4000, now: () => nowMs });
    expect(summary.current()).toMatchObject({ done: 0, perSecond: 0, remainingMs: undefined });
    for (let second = 1; second <= 20; second++) {
      nowMs += 1000;
      for (let i = 0; i < 100; i++) {
        summary.add({ grantId: String(i), status: "removed" });
      }
    }
    const { done, counts, elapsedMs, perSecond, remainingMs } = summary.current();
    expect([done, counts.removed, elapsedMs]).toEqual([2000, 2000, 20_000]);
    expect(perSecond).toBeGreaterThan(90);
    expect(perSecond).toBeLessThan(125);
    expect(remainingMs).toBeCloseTo(2_000_000 / perSecond);
  });

  it("keeps the first failures with their reasons, and counts the rest", () => {
    const summary = createSummary({ keepFailures: 2 });
    summary.add({
      grantId: "1",
      status: "failed",
      error: serverError(Code.PermissionDenied, "EVENT-Shu7e"),
    });
    summary.add({
      grantId: "2",
      status: "failed",
      error: new ConnectError("late", Code.DeadlineExceeded),
      answerLost: true,
    });
    summary.add({
      grantId: "3",
      status: "failed",
      error: new ConnectError("late", Code.DeadlineExceeded),
    });
    summary.add({ grantId: "4", status: "not-found" });
    const { failures, counts, answersLost } = summary.current();
    expect(failures).toEqual([
      { grantId: "1", reason: "something (EVENT-Shu7e)", answerLost: false },
      { grantId: "2", reason: "late", answerLost: true },
    ]);
    expect(counts).toEqual({ failed: 3, "not-found": 1 });
    expect(answersLost).toBe(1);
  });
});
