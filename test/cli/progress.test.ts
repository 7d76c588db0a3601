import { describe, expect, it } from "vitest";
import { createSummary } from "../../src/bulk/index.js";
import { barLine, createProgress } from "../../src/cli/terminal.js";

function world(columns: number, isTTY = true) {
  let nowMs = 0;
  const written: string[] = [];
  const summary = createSummary({ total: 1_000_000, now: () => nowMs });
  const progress = createProgress(
    { write: (text) => written.push(text), isTTY, columns },
    1_000_000,
    () => nowMs,
  );
  return {
    written,
    progress,
    step(ms: number, count: number) {
      nowMs += ms;
      for (let i = 0; i < count; i++) {
        summary.add({ grantId: "1", status: "removed" });
      }
      progress.update(summary.current());
    },
    summary,
  };
}

describe("the bar", () => {
  it.each([20, 40, 60, 80, 100, 200])("fits %i columns, whatever there is to show", (columns) => {
    const { written, progress, step } = world(columns);
    for (let i = 0; i < 50; i++) {
      step(400, 999);
    }
    progress.end();
    expect(written.length).toBeGreaterThan(50);
    for (const text of written.filter((one) => one !== "\n")) {
      expect(text.startsWith("\r")).toBe(true);
      expect(text.endsWith("\u001b[K")).toBe(true);
      expect(text.length - 4).toBeLessThan(columns);
    }
    expect(written.at(-1)).toBe("\n");
  });

  it("shows no rate and no time left before there is a rate", () => {
    const { summary, step } = world(100);
    step(900, 500);
    expect(barLine(summary.current(), 1_000_000, 100)).not.toMatch(/\/s|left/);
    step(1100, 500);
    expect(barLine(summary.current(), 1_000_000, 100)).toMatch(
      /1,000 of 1,000,000 {2}500\/s {2}33 min/,
    );
  });

  it("is drawn ten times a second at most", () => {
    const { written, step } = world(100);
    for (let i = 0; i < 1000; i++) {
      step(1, 1);
    }
    expect(written.length).toBeLessThanOrEqual(11);
  });
});

describe("without a terminal", () => {
  it("a line is written every ten seconds", () => {
    const { written, step } = world(100, false);
    for (let i = 0; i < 35; i++) {
      step(1000, 100);
    }
    expect(written).toHaveLength(3);
    expect(written[0]).toMatch(/^1,000 of 1,000,000 \(0 %\), \d+\/s, 2 h \d+ min left\n$/);
  });
});
