import { ConnectError } from "@connectrpc/connect";
import { close } from "../../../index.js";
import { type Identified, lookupOptions } from "../../account.js";
import { explain } from "../../explain.js";
import { createLookup } from "../../grants/lookup.js";
import { Ended, exitCode, type Io, line } from "../../io.js";
import type { RunLog } from "../../log/write.js";
import { Patience } from "../../pace.js";
import { createStopSwitch } from "../../progress.js";
import { quoted } from "../../terminal.js";

/** The commands that continue what was stopped. */
const continuations = { run: "resume", restore: "restore", repair: "verify --repair" };

/** Whose grants are changed, how fast, and where that is recorded and shown. */
export interface RunOptions extends Identified {
  readonly log: RunLog | undefined;
  readonly rate: number | undefined;
  readonly quiet?: boolean | undefined;
  readonly io: Io;
}

export type Context = ReturnType<typeof createContext>;

/** What a command works with from its question to its end: connection, log, and the effect of Ctrl-C. */
function createContext(options: RunOptions) {
  const { connection, log, rate, quiet = false, io } = options;
  /** Grants that may be active now, and are deactivated before anything else. */
  const pairs = new Set<string>();
  const stopSwitch = createStopSwitch(io, pairs);
  const reading = lookupOptions(stopSwitch.stopSignal, rate, io);
  const client = connection.createClient();
  return {
    ...{ ...options, quiet, stopSwitch, pairs, client },
    /** Reads, until the first Ctrl-C. */
    reader: createLookup(connection, reading),
    /** Adds and reactivates. */
    writer: createLookup(connection, { signal: stopSwitch.signal }),
    /** Awaited before each step: the rate limit. */
    turn: reading.turn,
    /** How long steps are retried before the command is aborted. */
    patience: new Patience(io.environment),
    /** Why no further step can succeed. */
    failure: undefined as unknown,

    /** Says what is as it should be: not with --quiet. */
    say(text: string): void {
      if (!quiet) {
        line(io.stderr, text);
      }
    },

    /** No further step can succeed: nothing new is started. */
    fail(error: unknown): void {
      this.failure ??= error;
      stopSwitch.stop();
    },

    /**
     * Says why the command could not do everything, if so, and how to continue.
     *
     * @param isWhole whether everything was done all the same, so that a first Ctrl-C came too late.
     * @throws Ended
     */
    checkEnded(what: keyof typeof continuations, isWhole: boolean): void {
      const { failure } = this;
      const command = `zitadel-user-grants ${continuations[what]}`;
      const again = log === undefined ? "" : ` Continue with: ${command} ${quoted(log.path)}`;
      const leftAtOnce = stopSwitch.signal.aborted;
      if (log?.failure !== undefined) {
        const why = `The ${what} was stopped: ${log.failure.message}. Nothing new was sent after that.`;
        throw new Ended(exitCode.stopped, why + again);
      }
      if (failure instanceof ConnectError && !leftAtOnce) {
        const why = `The ${what} was aborted: ${explain(failure)}`;
        throw new Ended(exitCode.aborted, why + again);
      }
      if (stopSwitch.interrupted && (leftAtOnce || !isWhole)) {
        throw new Ended(exitCode.stopped, `Stopped.${again}`);
      }
    },
  };
}

/** Does the work of a command in a context, and ends its log as well: why it cannot be written is in its `failure`. */
export async function inContext(
  options: RunOptions,
  work: (context: Context) => Promise<number>,
): Promise<number> {
  const context = createContext(options);
  try {
    return await work(context);
  } catch (error) {
    context.failure ??= error;
    throw error;
  } finally {
    const { stopSwitch, failure, client, log } = context;
    stopSwitch.end();
    close(client);
    const because = failure instanceof Error ? failure.message : "finished";
    await log?.close(stopSwitch.interrupted ? "interrupted" : because).catch(() => undefined);
  }
}
