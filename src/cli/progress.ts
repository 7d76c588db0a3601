import ProgressBar from "progress";
import type { Summary } from "../bulk/index.js";
import { line, type Output } from "./io.js";

/** How often a quiet line comes where there is no terminal. */
const quietMs = 10_000;

/** Shows how far a run is. */
export interface Progress {
  update(summary: Summary): void;
  end(): void;
}

/** A bar on a terminal, a line now and then elsewhere. */
export function createProgress(output: Output, total: number, now: () => number): Progress {
  if (total === 0) {
    return { update() {}, end() {} };
  }
  return output.isTTY ? bar(output, total) : quietLines(output, total, now);
}

function bar(output: Output, total: number): Progress {
  const progressBar = new ProgressBar(":bar :percent  :current of :total  :speed/s  :left", {
    total,
    // A terminal, since it says so; it has what the bar uses of it.
    stream: output as NodeJS.WriteStream,
    width: 40,
    complete: "█",
    incomplete: "░",
    renderThrottle: 100,
  });
  return {
    update(summary) {
      progressBar.tick(Math.min(summary.done, total) - progressBar.curr, tokens(summary));
    },
    end() {
      if (!progressBar.complete) {
        progressBar.render(undefined, true);
        progressBar.terminate();
      }
    },
  };
}

function quietLines(output: Output, total: number, now: () => number): Progress {
  let lastMs = now();
  return {
    update(summary) {
      if (now() - lastMs >= quietMs) {
        lastMs = now();
        const { speed, left } = tokens(summary);
        const percent = Math.floor((summary.done / total) * 100);
        line(output, `${summary.done} of ${total} (${percent} %), ${speed}/s, ${left}`);
      }
    },
    end() {},
  };
}

function tokens({ perSecond, remainingMs }: Summary): { speed: string; left: string } {
  return {
    speed: String(Math.round(perSecond)),
    left: remainingMs === undefined ? "" : `${duration(remainingMs)} left`,
  };
}

/** For people: "8 s", "4 min 10 s", "2 h 5 min". */
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
