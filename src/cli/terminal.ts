import { createInterface } from "node:readline/promises";
import { Code } from "@connectrpc/connect";
import type { Summary } from "../bulk/index.js";
import { type Io, line, type Output, UsageError } from "./io.js";
import type { LoggedCommand, LoggedOutcome } from "./log/entry.js";

/**
 * Text of a server or a file in a form that is safe to show: control characters, invisible characters and
 * those that change the text direction are escaped.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** JSON on one line, with the same characters escaped: it reads the same, and is safe to show. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

/** How many columns of a terminal a text takes: East Asian characters and emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    columns += wide.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  }
  return columns;
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

/** A text of exactly this many columns: padded with spaces, or truncated with an ellipsis. */
export function toWidth(text: string, columns: number): string {
  if (columnsOf(text) <= columns) {
    return text + " ".repeat(columns - columnsOf(text));
  }
  let cut = "";
  let used = 0;
  for (const character of text) {
    const width = columnsOf(character);
    if (used + width > columns - 1) {
      break;
    }
    cut += character;
    used += width;
  }
  return `${cut}…${" ".repeat(Math.max(0, columns - 1 - used))}`;
}

/** 1234567 as "1,234,567". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** "1 grant", "1,200 grants". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** From this many grants on, a y typed out of habit is not enough. */
const typedFrom = 100;

/** Asks for confirmation: by y, or by typing the number of grants if there are many. */
export async function mayGoAhead(
  command: LoggedCommand | "restore",
  count: number,
  io: Io,
): Promise<boolean> {
  const verb = { remove: "Remove", deactivate: "Deactivate", restore: "Restore" }[command];
  const grants = counted(count, "grant");
  if (count < typedFrom) {
    const answer = await ask(`${verb} ${grants}? [y/N] `, io);
    return /^y(?:es)?$/i.test(answer ?? "");
  }
  const answer = await ask(`${verb} ${grants}? Type the number of grants to go ahead: `, io);
  return answer?.replaceAll(/[,.'\s]/g, "") === String(count);
}

/** @throws UsageError when there is no terminal to ask on, and `--yes` was not given. */
export function checkCanAsk(yes: boolean | undefined, stdinTaken: boolean, io: Io): void {
  if (!yes && (stdinTaken || !io.stdin.isTTY || !io.stderr.isTTY)) {
    throw new UsageError(
      `Nothing was done: ${stdinTaken ? "standard input is taken" : "there is no terminal"}, so there is no way to ask. Add --yes to go ahead.`,
    );
  }
}

/** Asks on the terminal. Undefined after Ctrl-C, and at the end of the input. */
export async function ask(question: string, io: Io): Promise<string | undefined> {
  const left = new AbortController();
  const terminal = createInterface({
    input: io.stdin,
    output: io.stderr as NodeJS.WritableStream,
    terminal: true,
  });
  terminal.on("SIGINT", () => left.abort());
  terminal.on("close", () => left.abort());
  const stopListening = io.onInterrupt(() => left.abort());
  try {
    return (await terminal.question(question, { signal: left.signal })).trim();
  } catch (error) {
    if (left.signal.aborted) {
      io.stderr.write("\n");
      return undefined;
    }
    throw error;
  } finally {
    stopListening();
    terminal.close();
  }
}

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

/**
 * Reads standard input while something else is awaited: unread data was meant for this command. Not for
 * terminals, on which a question is asked.
 */
export function watchStdin({ stdin }: Io): { readonly text: string; readonly end: () => void } {
  let text = "";
  const take = (chunk: unknown) => {
    text = (text + String(chunk)).slice(0, 1000);
  };
  const ignore = () => undefined;
  if (!stdin.isTTY) {
    stdin.on("data", take);
    stdin.on("error", ignore);
  }
  return {
    get text() {
      return text;
    },
    end() {
      if (!stdin.isTTY) {
        stdin.off("data", take);
        stdin.pause();
      }
    },
  };
}

/** The effect of Ctrl-C on a run: once to finish what is in flight, twice to exit at once. */
export interface StopSwitch {
  /** Whether no further work may be started. */
  readonly stopped: boolean;
  /** Resolves as soon as no further work may be started. */
  readonly whenStopped: Promise<void>;
  /** Whether the user interrupted the run. */
  readonly interrupted: boolean;
  /** Aborted when requests in flight are cancelled, too. */
  readonly signal: AbortSignal;
  /** Stops starting work, for a reason other than an interrupt. */
  readonly stop: () => void;
  /** Removes the listeners. */
  readonly end: () => void;
}

export function createStopSwitch(io: Io): StopSwitch {
  const hardStop = new AbortController();
  let interrupted = false;
  let stopped = false;
  let resolveStopped = () => {};
  const whenStopped = new Promise<void>((resolve) => {
    resolveStopped = resolve;
  });
  const stop = () => {
    stopped = true;
    resolveStopped();
  };
  const end = io.onInterrupt(() => {
    if (interrupted) {
      hardStop.abort(new Error("interrupted"));
    } else {
      interrupted = true;
      stop();
      line(io.stderr);
      line(io.stderr, "Finishing what is in flight. Press Ctrl-C again to leave at once.");
    }
  });
  return {
    get stopped() {
      return stopped;
    },
    get interrupted() {
      return interrupted;
    },
    signal: hardStop.signal,
    ...{ whenStopped, stop, end },
  };
}

/** From this many characters on that the stream has not written, lines are held back in less memory. */
const mostUnwritten = 1 << 20;
const blockLength = 1 << 16;

/**
 * Writes lines to standard output: immediately, or on a terminal once the progress bar has been removed. It
 * never waits: a reader that takes nothing must not keep grants from being removed. What it has not taken is
 * held in blocks, which take little more than the text itself.
 */
export function createResultLines(io: Io) {
  const waiting: string[] = [];
  let full: Promise<void> | undefined;
  const waits = Boolean(io.stdout.isTTY && io.stderr.isTTY);
  let unwritten = 0;
  let blocks: Buffer[] = [];
  let block = "";
  const write = (text: string) => {
    unwritten += text.length;
    let goesOn: unknown;
    const written = new Promise<void>((resolve) => {
      // Called as well after the reader has left.
      goesOn = io.stdout.write(text, () => {
        unwritten -= text.length;
        resolve();
        if (unwritten === 0) {
          writeHeld();
        }
      });
    });
    full = goesOn === false ? written : undefined;
  };
  const hold = (text: string) => {
    block += text;
    if (block.length >= blockLength) {
      blocks.push(Buffer.from(block));
      block = "";
    }
  };
  const writeHeld = () => {
    const [next, ...rest] = blocks;
    const text = next?.toString() ?? block;
    blocks = rest;
    if (next === undefined) {
      block = "";
    }
    if (text !== "") {
      write(text);
    }
  };
  return {
    add(text: string): void {
      if (waits) {
        waiting.push(text);
      } else if (unwritten < mostUnwritten && blocks.length === 0 && block === "") {
        write(`${text}\n`);
      } else {
        hold(`${text}\n`);
      }
    },
    /** Resolves when the reader has taken what was added; undefined while there is room for more. */
    taken(): Promise<void> | undefined {
      return full;
    },
    end(): void {
      for (const text of waiting) {
        line(io.stdout, text);
      }
    },
  };
}

/** Writes the results of a run; on a terminal, only those that are not done. */
export function createResults(io: Io, json: boolean) {
  const lines = createResultLines(io);
  return {
    /**
     * @param userId "" if unknown; if it is known, the output of `--json` is valid input for `deactivate`.
     */
    add(outcome: LoggedOutcome, userId: string): void {
      if (io.stdout.isTTY && !json && /^(?:removed|deactivated)$/.test(outcome.status)) {
        return;
      }
      lines.add(
        json
          ? JSON.stringify(userId === "" ? outcome : { userId, ...outcome })
          : outcomeLine(outcome),
      );
    },
    end: lines.end,
  };
}

/** Columns between tabs, so that `cut` and spreadsheets can take them apart. */
export function outcomeLine({ grantId, status, answerLost, error }: LoggedOutcome): string {
  return [grantId, status, ...reasonsOf(error), ...(answerLost ? ["response lost"] : [])].join(
    "\t",
  );
}

/** The message of an error, on one line that is safe for a terminal; empty without an error. */
export function reasonsOf(error: LoggedOutcome["error"]): readonly string[] {
  return error === undefined
    ? []
    : [printable([Code[error.code], error.id, error.message].filter(Boolean).join(" "))];
}

/** A rejected value in a form that may be shown. */
export function show(value: unknown): string {
  const text =
    typeof value === "string"
      ? printable(JSON.stringify(value.slice(0, 100)))
      : typeof value === "object" && value !== null
        ? `an ${Array.isArray(value) ? "array" : "object"}`
        : String(value ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Quoted for a shell, if needed. */
export function quoted(path: string): string {
  return /^[\w./:@%+,=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
