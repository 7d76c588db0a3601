import type { Io } from "./io.js";

/** A flag, as help, completion and the parser need to know it. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What stands for the value in help, such as `<path>`. */
  readonly value?: string;
  /** The values that are allowed, where they can be listed. */
  readonly values?: readonly string[];
  /** Whether the value is the path of a file: completion then offers files. */
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

/** A command of the tool. Help, completion and suggestions are made from it. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What comes beside flags, as help shows it: `[<grant id> ...]`. */
  readonly arguments?: string;
  /** What the arguments can be, where that can be listed: for completion. */
  readonly values?: readonly string[];
  /** Paragraphs between the usage line and the flags. */
  readonly description: string;
  readonly examples?: readonly string[];
  readonly groups: readonly FlagGroup[];
  /** What help ends with. */
  readonly notes?: string;
  /** Runs the command and returns its exit code. @throws UsageError */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

/** Every command takes it. */
export const helpFlag = {
  help: { type: "boolean", short: "h", help: "show this help" },
} as const satisfies FlagTable;

/** All flags of a command. */
export function flagsOf(command: Command): FlagTable {
  return Object.assign({}, ...command.groups.map(({ flags }) => flags), helpFlag);
}
