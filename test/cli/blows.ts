import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect } from "vitest";

const bin = fileURLToPath(new URL("../../dist/cli/bin.js", import.meta.url));

/** What happens to a process that writes a log. */
export interface Blow {
  readonly killAfterMs: number;
  /** Whether another process wants the log at the same time. */
  readonly rival: boolean;
  /** How many blocks of 512 bytes the log may grow by, as on a full disk. */
  readonly blocks: number | undefined;
}

/** Half with a rival, a tenth with a full disk. */
export function blowsOf(seed: number, firstMs: number, longestMs: number): readonly Blow[] {
  const blow: fc.Arbitrary<Blow> = fc.record({
    killAfterMs: fc.integer({ min: firstMs, max: longestMs }),
    rival: fc.boolean(),
    blocks: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined, freq: 9 }),
  });
  const [blows = []] = fc.sample(fc.array(blow, { minLength: 2000, maxLength: 2000 }), {
    seed,
    numRuns: 1,
  });
  return blows;
}

export type Result = "killed" | "done" | "locked out" | "disk full";

export interface HitOptions {
  readonly input?: string;
  /** The exit code of a process that nothing happens to. */
  readonly done?: number;
  /** Whether the time until the kill begins at the first output: the start takes long on a busy machine. */
  readonly afterOutput?: boolean;
}

/** Runs the command as a process, with what happens to it. "done": it has ended by itself. */
export async function hit(
  argv: readonly string[],
  log: string,
  environment: Readonly<Record<string, string>>,
  blow: Blow | undefined,
  { input, done = 2, afterOutput = false }: HitOptions = {},
): Promise<Result> {
  const grown = Math.ceil((statSync(log, { throwIfNoEntry: false })?.size ?? 0) / 512);
  // Beyond this size a write is short, and the next one an error, as on a full disk.
  const limit = blow?.blocks === undefined ? "" : `ulimit -f ${grown + blow.blocks} && `;
  const child = spawn("sh", ["-c", `${limit}exec "$@"`, "sh", process.execPath, bin, ...argv], {
    stdio: [input === undefined ? "ignore" : "pipe", "ignore", "pipe"],
    env: environment,
  });
  let timer: NodeJS.Timeout | undefined;
  const startTimer = () => {
    timer ??= blow && setTimeout(() => child.kill("SIGKILL"), blow.killAfterMs);
  };
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
    startTimer();
  });
  if (!afterOutput) {
    startTimer();
  }
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (...result) => resolve(result)),
  );
  clearTimeout(timer);
  if (signal !== null) {
    return "killed";
  }
  if (/Another run is writing|exists\. Name another file/.test(errors)) {
    expect(exitCode, errors).toBe(1);
    return "locked out";
  }
  if (blow?.blocks !== undefined && /cannot be (?:written|locked)/.test(errors)) {
    // Before anything was sent, or on the way.
    expect([1, 3], errors).toContain(exitCode);
    return "disk full";
  }
  expect(exitCode, errors).toBe(done);
  return "done";
}
