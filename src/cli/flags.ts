import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./io.js";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** A secret in an argument shows in the list of processes and in the shell's history. */
const secrets: Readonly<Record<string, string>> = {
  "--token": "Set ZITADEL_TOKEN, or name a file with --token-file (- for standard input).",
  "--key": "Name the key file with --key-file or ZITADEL_KEY_FILE.",
};

/**
 * Parses flags and what comes beside them.
 *
 * @throws UsageError for flags that are unknown or lack their value, and for secrets.
 */
export function parseFlags<O extends Options>(args: readonly string[], options: O) {
  for (const argument of args) {
    const [flag = ""] = argument.split("=", 1);
    const instead = Object.hasOwn(secrets, flag) ? secrets[flag] : undefined;
    if (instead !== undefined) {
      throw new UsageError(`${flag} is no option: arguments are visible to others. ${instead}`);
    }
  }
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
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

/** @throws UsageError unless it is one of them. */
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
