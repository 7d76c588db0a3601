import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { createSummary } from "../../src/bulk/index.js";
import type { Io } from "../../src/cli/io.js";
import { barLine, createProgress, createStopSwitch } from "../../src/cli/progress.js";
import { columnsOf, createTable, paint } from "../../src/cli/terminal.js";
import { FakeEnvironment } from "../support/fake-environment.js";

const write = () => undefined;

function world(columns: number, isTTY = true) {
  const environment = new FakeEnvironment();
  const now = () => environment.monotonicMs();
  const written: string[] = [];
  const summary = createSummary({ total: 1_000_000, now });
  const output = { write: (text: string) => written.push(text), isTTY, columns };
  const progress = createProgress({ stderr: output, environment }, 1_000_000, summary.current);
  return {
    written,
    progress,
    async step(ms: number, count: number, status = "removed") {
      await environment.advance(ms);
      for (let i = 0; i < count; i++) {
        summary.add({ grantId: "1", status });
        progress.update();
      }
    },
    environment,
    summary,
  };
}

describe("the bar", () => {
  it.each([20, 40, 60, 80, 100, 200])(
    "fits %i columns, whatever there is to show",
    async (columns) => {
      const { written, progress, step } = world(columns);
      for (let i = 0; i < 50; i++) {
        await step(400, 999);
      }
      progress.end();
      expect(written.length).toBeGreaterThan(50);
      for (const text of written.filter((one) => one !== "\n")) {
        expect(text.startsWith("\r")).toBe(true);
        expect(text.endsWith("\u001b[K")).toBe(true);
        expect(text.length - 4).toBeLessThan(columns);
      }
      expect(written.at(-1)).toBe("\n");
    },
  );

  it("shows no rate and no time left before there is a rate", async () => {
    const { summary, step } = world(100);
    await step(900, 500);
    expect(barLine(summary.current(), 1_000_000, { write, columns: 100 })).not.toMatch(/\/s|left/);
    await step(1100, 500);
    expect(barLine(summary.current(), 1_000_000, { write, columns: 100 })).toMatch(
      /1,000 of 1,000,000 {2}500\/s {2}33 min/,
    );
  });

  it("shows the last of a burst soon, and what has failed", async () => {
    const { written, step, environment } = world(100);
    await step(1000, 100);
    await step(1500, 97);
    await step(0, 3, "failed");
    await environment.advance(10);
    expect(written.at(-1)).toMatch(/200 of 1,000,000 {2}3 failed/);
    const count = written.length;
    await environment.advance(10_000);
    expect(written).toHaveLength(count);
  });

  it("is drawn a hundred times a second at most", async () => {
    const { written, step } = world(100);
    for (let i = 0; i < 1000; i++) {
      await step(1, 1);
    }
    expect(written.length).toBeLessThanOrEqual(101);
  });
});

describe("without a terminal", () => {
  it("a line is written every ten seconds", async () => {
    const { written, step } = world(100, false);
    for (let i = 0; i < 35; i++) {
      await step(1000, 100);
    }
    expect(written).toHaveLength(3);
    expect(written[0]).toMatch(/^0%, 1,000 of 1,000,000, \d+\/s, 2 h \d+ min left\n$/);
  });
});

describe("a table", () => {
  interface Row {
    user: string;
    roles: string;
    id: string;
  }
  const table = (rows: Row[], width: number) => {
    const { head, row } = createTable<Row>(
      [
        { title: "USER", show: ({ user }) => user },
        { title: "ROLES", show: ({ roles }) => roles },
        { title: "USER ID", show: ({ id }) => id, whole: true, spare: true },
        { title: "GRANT ID", show: ({ id }) => id, whole: true },
      ],
      rows,
      width,
    );
    return [head, ...rows.map(row)];
  };
  const row = (user: string) => ({
    user,
    roles: "reader, writer, admin",
    id: "400986363463207974",
  });

  it.each([40, 60, 80, 120])("fits %i columns, and truncates no id", (width) => {
    const lines = table(
      [row("Jane Doe <jane.doe@example.com>"), row("渡辺 花子".repeat(9))],
      width,
    );
    expect(Math.max(...lines.map(columnsOf))).toBeLessThanOrEqual(width);
    expect(lines[1]).toContain("400986363463207974");
    expect(lines[0]?.includes("USER ID")).toBe(width >= 80);
  });

  it("shows nothing of a server or a file raw", async () => {
    const [, line = ""] = table([row("\u001b[2J\u202eevil\u009b31m")], 120);
    expect(stripVTControlCharacters(line)).toBe(line);
    expect(line).toContain("\\u{1b}[2J\\u{202e}evil");
  });
});

it("colors are shown only where they are wanted", async () => {
  expect(paint({ write, isColored: true }, "danger", "x")).toBe(
    "\u001b[1m\u001b[31mx\u001b[39m\u001b[22m",
  );
  expect(paint({ write }, "danger", "x")).toBe("x");
});

it("Ctrl-C ends requests in flight after a moment, and what belongs together at the second", async () => {
  const environment = new FakeEnvironment();
  const written: string[] = [];
  let interrupt = () => {};
  const io = {
    environment,
    stderr: { write: (text: string) => written.push(text) },
    onInterrupt: (listener: () => void) => {
      interrupt = listener;
      return () => {};
    },
  } as unknown as Io;
  const { signal, pairSignal, end } = createStopSwitch(io, new Set(["4711"]));
  interrupt();
  expect(signal.aborted).toBe(false);
  await environment.advance(2000);
  expect([signal.aborted, pairSignal.aborted]).toEqual([true, false]);
  expect(written.join("")).not.toContain("may be active");
  interrupt();
  expect(pairSignal.aborted).toBe(true);
  expect(written.join("")).toContain("4711 may be active.");
  end();
});
