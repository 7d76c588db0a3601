import { once } from "node:events";
import { Code } from "@connectrpc/connect";
import { createSummary, type Outcome, type Summary } from "../bulk/index.js";
import { platform } from "../bulk/internal.js";
import { type Io, line, type Output } from "./io.js";
import type { LoggedOutcome } from "./log/entry.js";
import { grouped, jsonText, paint, printable } from "./terminal.js";

/** How long after a change a line is written without a terminal, and the bar drawn on one: a burst is one change. */
const lineMs = 10_000;
const drawMs = 10;
/** Before that, a rate would be a guess. */
const rateAfterMs = 1000;
const widestBar = 40;

/** Shows the progress of a run: a bar on a terminal, otherwise a line at intervals. */
export function createProgress(
  io: Pick<Io, "stderr" | "environment">,
  total: number,
  current: () => Summary,
) {
  const { stderr: output, environment = platform } = io;
  const isBar = output.isTTY && !output.isDumb;
  let cancel: (() => void) | undefined;
  const show = () => {
    cancel = undefined;
    if (isBar) {
      // Return to the start of the line and clear it: the line is never full, so it never wraps.
      output.write(`\r${barLine(current(), total, output)}\u001b[K`);
    } else {
      line(output, partsOf(current(), total).join(", ").trimStart());
    }
  };
  return {
    /** Something has changed. */
    update(): void {
      cancel ??= environment.setTimer(show, isBar ? drawMs : lineMs, { background: true });
    },
    end(): void {
      cancel?.();
      if (isBar && current().done > 0) {
        show();
        output.write("\n");
      }
    },
  };
}

/** "████░░░░  50%  500 of 1,000  3 failed  210/s  3 s left", as much of it as fits. */
export function barLine(summary: Summary, total: number, output: Output): string {
  const columns = output.columns || 80;
  const parts = partsOf(summary, total);
  while (parts.length > 2 && parts.join("  ").length >= columns) {
    parts.pop();
  }
  const shown = parts.join("  ").slice(0, columns - 1);
  const width = Math.min(widestBar, columns - 2 - shown.length);
  const filled = Math.floor((Math.min(summary.done, total) / total) * width);
  const drawn = width < 5 ? "" : `${"█".repeat(filled)}${"░".repeat(width - filled)} `;
  return `${drawn}${summary.counts.failed ? paint(output, "failed", shown) : shown}`;
}

/** What there is to say, the most important first. */
function partsOf(summary: Summary, total: number): string[] {
  const { counts, perSecond, remainingMs, elapsedMs } = summary;
  const done = Math.min(summary.done, total);
  const percent = `${Math.floor((done / total) * 100)}%`;
  const parts = [percent.padStart(4), `${grouped(done)} of ${grouped(total)}`];
  if (counts.failed) {
    parts.push(`${grouped(counts.failed)} failed`);
  }
  if (elapsedMs >= rateAfterMs && perSecond > 0) {
    parts.push(`${grouped(Math.round(perSecond))}/s`);
    if (remainingMs) {
      parts.push(`${duration(remainingMs)} left`);
    }
  }
  return parts;
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

/** How long what is in flight may take after Ctrl-C. */
const graceMs = 1500;

export type StopSwitch = ReturnType<typeof createStopSwitch>;

/**
 * The effect of Ctrl-C on a run: once to finish what is in flight, twice to exit at once.
 *
 * @param pairs grants that may be active: those that a second Ctrl-C leaves are named.
 */
export function createStopSwitch(io: Io, pairs: ReadonlySet<string> = new Set()) {
  const { environment = platform } = io;
  const first = new AbortController();
  const soon = new AbortController();
  const second = new AbortController();
  let interrupted = false;
  let cancel: (() => void) | undefined;
  const stopListening = io.onInterrupt(() => {
    if (!interrupted) {
      interrupted = true;
      first.abort();
      cancel = environment.setTimer(() => soon.abort(), graceMs, { background: true });
      line(io.stderr);
      line(io.stderr, "Finishing what is in flight. Press Ctrl-C again to leave at once.");
      return;
    }
    if (pairs.size > 0) {
      const text = printable(`Left at once: ${[...pairs].join(", ")} may be active.`);
      line(io.stderr, paint(io.stderr, "danger", text));
    }
    soon.abort();
    second.abort();
  });
  return {
    /** Whether the user interrupted the run. */
    get interrupted(): boolean {
      return interrupted;
    },
    /** Resolves as soon as no further work may be started. */
    whenStopped: once(first.signal, "abort"),
    /** Aborted as soon as no further work may be started. */
    stopSignal: first.signal,
    /** Aborted when requests in flight are cancelled: at the second Ctrl-C, or soon after the first. */
    signal: soon.signal,
    /** Aborted at the second Ctrl-C alone, for what belongs together and is finished first. */
    pairSignal: second.signal,
    /** Stops starting work, for a reason other than an interrupt. */
    stop: () => first.abort(),
    /** Removes the listeners. */
    end(): void {
      cancel?.();
      stopListening();
    },
  };
}

export interface ReportOptions {
  readonly json?: boolean | undefined;
  /** Shows no progress. */
  readonly quiet?: boolean | undefined;
  /** Shows no results that are as they should be. */
  readonly onlyProblems?: boolean | undefined;
}

/**
 * Counts outcomes, and shows them as they come: the progress, and results, on a terminal only problems and once the
 * bar has been removed. It never waits: a reader that takes nothing must not keep grants from being removed.
 */
export function createReport(total: number, options: ReportOptions, io: Io) {
  const { json = false, quiet = false, onlyProblems = io.stdout.isTTY && !json } = options;
  const summary = createSummary({ total });
  const progress = quiet ? undefined : createProgress(io, total, summary.current);
  const waits = io.stdout.isTTY && io.stderr.isTTY;
  let block = "";
  const flush = () => {
    if (block !== "") {
      io.stdout.write(block);
      block = "";
    }
  };
  return {
    /** @param value for `--json`. */
    add(
      outcome: Pick<Outcome<string>, "grantId" | "status" | "answerLost" | "error">,
      value: object,
      text: string,
      problem?: "warn" | "failed" | undefined,
    ): void {
      summary.add(outcome);
      progress?.update();
      if (problem === undefined && onlyProblems) {
        return;
      }
      if (block === "" && !waits) {
        // What comes in the same turn is written together.
        queueMicrotask(flush);
      }
      const shown = json ? jsonText(value) : problem ? paint(io.stdout, problem, text) : text;
      block += `${shown}\n`;
    },
    end(): Summary {
      progress?.end();
      flush();
      return summary.current();
    },
  };
}

/** Columns between tabs, so that `cut` and spreadsheets can take them apart. */
export function outcomeLine(outcome: LoggedOutcome): string {
  const { grantId, status } = outcome;
  return [printable(grantId), printable(status), ...reasonsOf(outcome)].join("\t");
}

/** The message of an error and whether a response was lost, on one line each that is safe for a terminal. */
export function reasonsOf(outcome: Pick<LoggedOutcome, "error" | "answerLost">): string[] {
  const { error, answerLost } = outcome;
  const words = error === undefined ? [] : [Code[error.code], error.id, error.message];
  const reasons = [words.filter(Boolean).join(" "), answerLost ? "response lost" : ""];
  return reasons.filter(Boolean).map(printable);
}
