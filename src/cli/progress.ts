import type { Summary } from "../bulk/index.js";
import { line, type Output } from "./io.js";
import { grouped } from "./printable.js";

/** How often a line is written without a terminal, and how often the bar is redrawn on one. */
const lineMs = 10_000;
const drawMs = 100;
/** Before that, a rate would be a guess. */
const rateAfterMs = 1000;
const widestBar = 40;

/** Shows the progress of a run. */
export interface Progress {
  update(summary: Summary): void;
  end(): void;
}

/** A bar on a terminal, otherwise a line at intervals. */
export function createProgress(output: Output, total: number, now: () => number): Progress {
  if (total === 0) {
    return { update() {}, end() {} };
  }
  return output.isTTY && !output.isDumb ? bar(output, total, now) : lines(output, total, now);
}

function bar(output: Output, total: number, now: () => number): Progress {
  let drawnMs = Number.NEGATIVE_INFINITY;
  let last: Summary | undefined;
  const draw = (summary: Summary) => {
    drawnMs = now();
    // Return to the start of the line and clear it: the line is never full, so it never wraps.
    output.write(`\r${barLine(summary, total, output.columns ?? 80)}\u001b[K`);
  };
  return {
    update(summary) {
      last = summary;
      if (now() - drawnMs >= drawMs) {
        draw(summary);
      }
    },
    end() {
      if (last !== undefined) {
        draw(last);
        output.write("\n");
      }
    },
  };
}

/** "████░░░░  50%  500 of 1,000  210/s  3 s left", as much of it as fits. */
export function barLine(summary: Summary, total: number, columns: number): string {
  const done = Math.min(summary.done, total);
  const percent = `${Math.floor((done / total) * 100)}%`.padStart(4);
  const parts = [`${grouped(done)} of ${grouped(total)}`, ...speed(summary)];
  const fits = () => `${percent}  ${parts.join("  ")}`.length < columns;
  while (parts.length > 1 && !fits()) {
    parts.pop();
  }
  const text = `${percent}  ${parts.join("  ")}`;
  const width = Math.min(widestBar, columns - 2 - text.length);
  if (width < 5) {
    return text.slice(0, columns - 1);
  }
  const filled = Math.floor((done / total) * width);
  return `${"█".repeat(filled)}${"░".repeat(width - filled)} ${text}`;
}

function lines(output: Output, total: number, now: () => number): Progress {
  let lastMs = now();
  return {
    update(summary) {
      if (now() - lastMs >= lineMs) {
        lastMs = now();
        const percent = Math.floor((summary.done / total) * 100);
        line(
          output,
          [`${grouped(summary.done)} of ${grouped(total)} (${percent} %)`, ...speed(summary)].join(
            ", ",
          ),
        );
      }
    },
    end() {},
  };
}

function speed({ perSecond, remainingMs, elapsedMs }: Summary): string[] {
  if (elapsedMs < rateAfterMs || perSecond === 0) {
    return [];
  }
  const left =
    remainingMs === undefined || remainingMs === 0 ? [] : [`${duration(remainingMs)} left`];
  return [`${grouped(Math.round(perSecond))}/s`, ...left];
}

/** For display: "8 s", "4 min 10 s", "2 h 5 min". */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
