import { headerValueProblem } from "./header-value.js";
import { nearest } from "./spelling.js";

/** What is allowed, in words, whether a value is, and how one that is not is shown. */
export type Check = readonly [
  allowed: string,
  accepts: (value: unknown) => boolean,
  show?: (value: unknown) => string,
];

/** One check for each option: a type that forgets one does not compile. */
export type Checks<O> = { readonly [K in keyof Required<O>]: Check };

/**
 * @param elsewhere names of options that only another entry takes, with that entry.
 * @param prefix of the options' names in messages.
 * @returns a copy without the options that are undefined.
 * @throws TypeError naming the option, what is allowed and what was given.
 */
export function checkOptions<O>(
  options: object,
  checks: Checks<O>,
  elsewhere: Readonly<Record<string, string>> = {},
  prefix = "",
): Record<string, unknown> {
  // Without a prototype: what somebody put on Object.prototype is no option.
  const checked: Record<string, unknown> = { __proto__: null };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) {
      continue;
    }
    if (!Object.hasOwn(checks, name)) {
      throw new TypeError(
        Object.hasOwn(elsewhere, name)
          ? `${name} is an option of ${elsewhere[name]}: import from there to use it`
          : unknownOption(prefix + name, name, Object.keys(checks)),
      );
    }
    const [allowed, accepts, shown = show] = checks[name as keyof O];
    if (!accepts(value)) {
      throw new TypeError(`${prefix}${name} must be ${allowed}; got ${shown(value)}`);
    }
    checked[name] = value;
  }
  return checked;
}

function unknownOption(shown: string, name: string, known: readonly string[]): string {
  const guess = nearest(name, known);
  return `unknown option ${show(shown)}${guess === undefined ? "." : `; did you mean ${guess}?`} Known are: ${known.join(", ")}`;
}

export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  return typeof value === "function" ? "a function" : String(value);
}

/** Describes what may be a secret. */
export function describe(value: unknown): string {
  return headerValueProblem(value) ?? "another value";
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const isFunction = (value: unknown): boolean => typeof value === "function";

export const boolean: Check = ["true or false", (value) => typeof value === "boolean"];
export const object: Check = ["an object", isObject];

/** From `minimum` to `maximum`, both included. */
export function number(minimum: number, maximum: number): Check {
  return [
    `a number from ${minimum} to ${maximum}`,
    // NaN is neither.
    (value) => typeof value === "number" && value >= minimum && value <= maximum,
  ];
}

/** A whole number from `minimum` to `maximum`, both included. */
export function integer(unit: string, minimum: number, maximum: number): Check {
  return [
    `a whole number of ${unit} from ${minimum} to ${maximum}`,
    (value) => Number.isInteger(value) && number(minimum, maximum)[1](value),
  ];
}

/** Milliseconds up to what timers take. */
export const timeMs = (minimum: number): Check => integer("milliseconds", minimum, 2 ** 31 - 1);

/** Bytes up to what the length of a message can say. */
export const bytes = (minimum: number): Check => integer("bytes", minimum, 2 ** 32 - 1);

export function listOf(what: string, isItem: (item: unknown) => boolean): Check {
  return [`an array of ${what}`, (value) => Array.isArray(value) && value.every(isItem)];
}
