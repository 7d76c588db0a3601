import { parseArgs } from "node:util";
import { similarName } from "../options/spelling.js";
import type { FlagTable } from "./command.js";
import { UsageError } from "./io.js";

/** A secret in an argument is visible in the process list and in the shell's history. */
const secrets: Readonly<Record<string, string>> = {
  "--token": "Set ZITADEL_TOKEN, or name a file with --token-file (- for standard input).",
  "--key": "Name the key file with --key-file or ZITADEL_KEY_FILE.",
};

/**
 * Parses flags and arguments.
 *
 * @throws UsageError for flags that are unknown, repeated, or lack their value, and for secrets.
 */
export function parseFlags<const O extends FlagTable>(args: readonly string[], flags: O) {
  const end = args.indexOf("--");
  for (const argument of end === -1 ? args : args.slice(0, end)) {
    const [flag = ""] = argument.split("=", 1);
    const name = flag.slice(2);
    // The sandbox accepts --token: its token is not secret.
    const isSecret = Object.hasOwn(secrets, flag) && !Object.hasOwn(flags, name);
    const instead = isSecret ? secrets[flag] : undefined;
    if (instead !== undefined) {
      throw new UsageError(`${flag} is not allowed: arguments are visible to others. ${instead}`);
    }
    if (flag.startsWith("--") && flag.length > 2 && !Object.hasOwn(flags, name)) {
      const guess = similarName(name, Object.keys(flags));
      throw new UsageError(
        `There is no flag ${flag}${guess === undefined ? "." : `; did you mean --${guess}?`}`,
      );
    }
  }
  let parsed: ReturnType<typeof parse<O>>;
  try {
    parsed = parse(args, flags);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  checkGiven(parsed.tokens, flags);
  return parsed;
}

function parse<const O extends FlagTable>(args: readonly string[], options: O) {
  return parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: true,
    tokens: true,
  });
}

/** An empty value means an unset variable; of a flag given twice, one would be ignored. */
function checkGiven(tokens: ReturnType<typeof parse>["tokens"], flags: FlagTable): void {
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") {
      continue;
    }
    const flag = flags[token.name];
    if (token.value !== undefined && token.value.trim() === "") {
      throw new UsageError(
        `--${token.name} was given an empty value. Is a variable not set? Leave the flag out if it is not meant.`,
      );
    }
    if (flag?.type === "string" && flag.multiple !== true && seen.has(token.name)) {
      throw new UsageError(`--${token.name} was given twice, and takes one value.`);
    }
    seen.add(token.name);
    if (flag?.values !== undefined) {
      oneOf(`--${token.name}`, token.value, flag.values);
    }
  }
}

/** @throws UsageError when there are arguments for a command without arguments. */
export function noArguments(command: string, positionals: readonly string[]): void {
  if (positionals.length > 0) {
    throw new UsageError(`${command} takes no arguments; got ${JSON.stringify(positionals[0])}.`);
  }
}

/** @throws UsageError unless it is a whole number from 1 to `most`. */
export function wholeNumber(
  flag: string,
  value: string | undefined,
  most = 999_999_999,
): number | undefined {
  if (value === undefined) {
    return undefined;
  }
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 1 || number > most) {
    throw new UsageError(
      `--${flag} takes a whole number from 1 to ${most}; got ${JSON.stringify(value)}.`,
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

/** A whole number of seconds, in milliseconds. @throws UsageError unless timers support it. */
export function seconds(flag: string, value: string | undefined): number | undefined {
  const number = wholeNumber(flag, value, 2_147_483);
  return number === undefined ? undefined : number * 1000;
}
