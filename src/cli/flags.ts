import { parseArgs } from "node:util";
import { similarName } from "../bulk/internal.js";
import { exitCodes, type Io, UsageError } from "./io.js";

/** A flag, as used by help and the parser. */
export interface Flag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** The placeholder for the value in help, such as `<path>`; the allowed values when not given. */
  readonly value?: string;
  readonly values?: readonly string[];
  readonly help: string;
}

export type FlagTable = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F["type"] extends "boolean"
  ? boolean
  : F extends { readonly multiple: true }
    ? readonly string[]
    : F extends { readonly values: readonly (infer Value)[] }
      ? Value
      : string;

/** What was given for the flags of a table, or of several. */
export type FlagValues<T extends FlagTable> = {
  readonly [Name in T extends FlagTable ? keyof T : never]?:
    | ValueOf<Extract<T, Readonly<Record<Name, Flag>>>[Name]>
    | undefined;
};

/** Flags that belong together in help. */
export interface FlagGroup {
  readonly title: string;
  readonly flags: FlagTable;
  readonly note?: string;
}

/** A command of the tool. Help is generated from it. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The arguments besides flags, as shown by help: `[<grant id> ...]`. */
  readonly arguments?: string;
  /** Paragraphs between the usage line and the flags. */
  readonly description: string;
  readonly examples?: readonly string[];
  readonly groups: readonly FlagGroup[];
  /** Runs the command and returns its exit code. @throws Ended */
  readonly run: (argv: readonly string[], io: Io) => Promise<number>;
}

/** A command whose `run` gets its arguments, and what was given for the flags of its groups. */
export function defineCommand<const G extends readonly FlagGroup[]>(
  command: Omit<Command, "run"> & {
    readonly groups: G;
    run(flags: FlagValues<G[number]["flags"]>, args: readonly string[], io: Io): Promise<number>;
  },
): Command {
  return {
    ...command,
    async run(argv, io) {
      const table = Object.assign({}, ...command.groups.map(({ flags }) => flags));
      const { values, positionals } = parse(argv, table, command.arguments !== undefined);
      return await command.run(values as FlagValues<G[number]["flags"]>, positionals, io);
    },
  };
}

/**
 * @throws UsageError for flags that are unknown, repeated, or lack their value, and for arguments of a command that
 * takes none.
 */
function parse(args: readonly string[], flags: FlagTable, allowPositionals: boolean) {
  const options = { args: [...args], options: flags } as const;
  const seen = new Set<string>();
  for (const token of parseArgs({ ...options, strict: false, tokens: true }).tokens) {
    if (token.kind !== "option") {
      continue;
    }
    const { name, rawName, value } = token;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) {
      const guess = similarName(name, [...Object.keys(flags), "help"]);
      const meant = guess === undefined ? "." : `; did you mean --${guess}?`;
      throw new UsageError(`There is no flag ${rawName}${meant}`);
    }
    if (value?.trim() === "") {
      throw new UsageError(
        `${rawName} was given an empty value. Is a variable not set? Leave the flag out if it is not meant.`,
      );
    }
    if (flag.type === "string" && !flag.multiple && seen.has(name)) {
      throw new UsageError(`${rawName} was given twice, and takes one value.`);
    }
    if (flag.values !== undefined) {
      oneOf(rawName, value, flag.values);
    }
    seen.add(name);
  }
  try {
    return parseArgs({ ...options, allowPositionals, strict: true });
  } catch (error) {
    // A flag without its value, or a value or an argument too many.
    throw new UsageError((error as Error).message);
  }
}

/** @throws UsageError unless it is a whole number from `least` to `most`. */
export function wholeNumber(
  flag: string,
  value: string | undefined,
  most: number,
  least = 1,
): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < least || number > most) {
    throw new UsageError(
      `--${flag} takes a whole number from ${least} to ${most}; got ${JSON.stringify(value)}.`,
    );
  }
  return number;
}

/** @throws UsageError unless it is one of the allowed values. */
export function oneOf<T extends string>(
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined || (allowed as readonly string[]).includes(value)) {
    return value as T | undefined;
  }
  throw new UsageError(`${name} takes ${allowed.join(", ")}; got ${JSON.stringify(value)}.`);
}

/** The width of help, in columns. */
const width = 80;
/** The column at which the description of a flag begins. */
const indent = 27;
/** The group that many commands share: it has a help of its own. */
const shared = "Connection";

/** The output of `help`, and of no arguments. */
export function overview(commands: readonly Command[]): string {
  const longest = Math.max(...commands.map(({ name }) => name.length));
  return [
    "Revokes project access (user grants) from ZITADEL users.",
    "",
    "Usage: zitadel-user-grants <command> [options]",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(longest + 2)}${summary}`),
    "",
    "zitadel-user-grants help <command> explains a command,",
    "zitadel-user-grants help connection how to name the server and the account.",
    "",
    "Exit codes:",
    ...exitCodes.map((meaning, code) => `  ${code}  ${meaning}`),
    "",
  ].join("\n");
}

/** The output of `help connection`. */
export function connectionHelp(group: FlagGroup): string {
  return [
    "How commands find the server and the account: by flags, or by the environment.",
    "",
    ...groupLines(group),
    "",
  ].join("\n");
}

/** The output of `--help` of a command. */
export function helpOf(command: Command): string {
  const beside = command.arguments === undefined ? "" : ` ${command.arguments}`;
  const isShared = command.groups.some(({ title }) => title === shared);
  const groups = command.groups.filter(({ title }) => title !== shared);
  return [
    `Usage: zitadel-user-grants ${command.name}${beside} [options]`,
    "",
    ...wrap(command.description, width),
    ...(command.examples === undefined
      ? []
      : ["", "Examples:", ...command.examples.map((example) => `  ${example}`)]),
    "",
    ...groups.flatMap(groupLines),
    "",
    `${isShared ? "Server and account: zitadel-user-grants help connection. " : ""}Exit codes: help`,
    "",
  ].join("\n");
}

function groupLines({ title, flags, note }: FlagGroup): string[] {
  return [`${title}:`, ...flagLines(flags), ...(note === undefined ? [] : wrap(note, width))];
}

function flagLines(flags: FlagTable): string[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    const left = `  ${nameOf(name, flag)}`;
    const [first = "", ...more] = wrap(flag.help, width - indent);
    const rest = more.map((text) => " ".repeat(indent) + text);
    return left.length < indent - 1
      ? [left.padEnd(indent) + first, ...rest]
      : [left, " ".repeat(indent) + first, ...rest];
  });
}

function nameOf(name: string, { short, value, values, type }: Flag): string {
  const shown = value ?? (values === undefined ? "<value>" : `<${values.join("|")}>`);
  return `${short === undefined ? "" : `-${short}, `}--${name}${type === "string" ? ` ${shown}` : ""}`;
}

/** Wraps a paragraph between words. */
function wrap(text: string, columns: number): string[] {
  const line = new RegExp(`(.{1,${columns}})(?: |$)`, "g");
  return text.replace(line, "$1\n").trimEnd().split("\n");
}
