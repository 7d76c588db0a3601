import type { Io } from "./io.js";

/** A flag, as used by help, completion and the parser. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** The placeholder for the value in help, such as `<path>`. */
  readonly value?: string;
  /** The allowed values, if they can be listed. */
  readonly values?: readonly string[];
  /** Whether the value is a file path: completion then offers files. */
  readonly file?: boolean;
  readonly help: string;
}

export type FlagTable = Readonly<Record<string, Flag>>;

/** Flags that belong together in help. */
export interface FlagGroup {
  readonly title: string;
  readonly flags: FlagTable;
  readonly note?: string;
}

/** A command of the tool. Help, completion and suggestions are generated from it. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments besides flags, as shown by help: `[<grant id> ...]`. */
  readonly arguments?: string;
  /** The possible arguments, if they can be listed: for completion. */
  readonly values?: readonly string[];
  /** Paragraphs between the usage line and the flags. */
  readonly description: string;
  readonly examples?: readonly string[];
  readonly groups: readonly FlagGroup[];
  /** The last part of help. */
  readonly notes?: string;
  /** Runs the command and returns its exit code. @throws UsageError */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

/** Accepted by every command. */
export const helpFlag = {
  help: { type: "boolean", short: "h", help: "show this help" },
} as const satisfies FlagTable;

/** All flags of a command. */
export function flagsOf(command: Command): FlagTable {
  return Object.assign({}, ...command.groups.map(({ flags }) => flags), helpFlag);
}
