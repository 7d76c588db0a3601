/**
 * A description of the allowed values; a check that returns whether a value is allowed, or a more exact
 * description; and how a rejected value is shown.
 */
export type Check = readonly [
  allowed: string,
  accepts: (value: unknown) => boolean | string,
  show?: (value: unknown) => string,
];

/** One check for each option: a type with a missing one does not compile. */
export type Checks<O> = { readonly [K in keyof Required<O>]: Check };

export interface CheckSettings<O> {
  /** The function that takes the options: messages begin with it. */
  caller?: string;
  /** The prefix of option names in messages. */
  prefix?: string;
  /** Names of options that only another entry supports, with that entry. */
  misplaced?: Readonly<Record<string, string>>;
  required?: readonly (keyof O & string)[];
  /** How values are shown if a check does not define it. */
  show?: (value: unknown) => string;
}

/**
 * Checks an options object. Exactly the checked values are used: each own property is read once, and
 * inherited properties, for example of a polluted `Object.prototype`, are ignored.
 *
 * @returns a frozen copy without a prototype, and without the options that are undefined.
 * @throws TypeError naming the option, what is allowed and what was given.
 */
export function checkOptions<O extends object>(
  options: unknown,
  checks: Checks<O>,
  settings: CheckSettings<O> = {},
): Readonly<O> {
  const { caller, prefix = "", misplaced = {}, required = [] } = settings;
  const shownByDefault = settings.show ?? show;
  const fail = (problem: string): never => {
    throw new TypeError(caller === undefined ? problem : `${caller}: ${problem}`);
  };
  if (!isObject(options)) {
    return fail(`options must be an object; got ${shownByDefault(options)}`);
  }
  const checked: Record<string, unknown> = own({});
  for (const [name, given] of Object.entries(options)) {
    if (given === undefined) {
      continue;
    }
    if (!Object.hasOwn(checks, name)) {
      if (Object.hasOwn(misplaced, name)) {
        fail(`${name} is an option of ${misplaced[name]}: import from there to use it`);
      }
      const known = Object.keys(checks);
      const guess = similarName(name, known);
      fail(
        `unknown option ${show(prefix + name)}${guess === undefined ? "." : `; did you mean ${guess}?`} Known are: ${known.join(", ")}`,
      );
    }
    const [allowed, accepts, shown = shownByDefault] = checks[name as keyof O];
    const value = copied(given);
    const result = accepts(value);
    if (result !== true) {
      fail(`${prefix}${name} must be ${result || allowed}; got ${shown(value)}`);
    }
    checked[name] = value;
  }
  for (const name of required) {
    if (!(name in checked)) {
      fail(`${name} must be ${checks[name][0]}; got ${shownByDefault(undefined)}`);
    }
  }
  return Object.freeze(checked) as O;
}

/** A copy of an object's own properties, without a prototype. */
export function own<O extends object>(object: O): O {
  return { __proto__: null, ...object };
}

/** A copy of arrays and plain objects; anything else has an identity of its own and is kept. */
function copied(value: unknown): unknown {
  if (Array.isArray(value)) {
    return [...value];
  }
  const isPlain = isObject(value) && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? own(value) : value;
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

/** Describes a value that may be a secret, without showing it. */
export function kindOf(value: unknown): string {
  if (value === undefined) {
    return "nothing";
  }
  if (typeof value !== "string") {
    return value === null
      ? "null"
      : Array.isArray(value)
        ? "an array"
        : `a value of type ${typeof value}`;
  }
  if (value === "") {
    return "an empty string";
  }
  const at = value.search(invisible);
  const character = characters[value[at] ?? ""] ?? "a character outside of visible ASCII";
  return `a string of ${value.length} characters${at < 0 ? "" : ` with ${character} at position ${at + 1}`}`;
}

const invisible = /[^\x21-\x7e]/;
const characters: Readonly<Record<string, string>> = {
  " ": "a space",
  "\n": "a line break",
  "\r": "a line break",
};

/**
 * Whether a value is a single token of a header: for ids and bearer tokens, which are visible ASCII without
 * spaces (RFC 6750, section 2.1 allows no more for a token).
 */
export function isHeaderValue(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !invisible.test(value);
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const isFunction = (value: unknown): boolean => typeof value === "function";

export const boolean: Check = ["true or false", (value) => typeof value === "boolean"];
export const object: Check = ["an object", isObject];

export const text: Check = [
  "a string that is not empty",
  (value) => typeof value === "string" && value !== "",
];

/** One of some words. */
export function oneOf(words: readonly string[]): Check {
  return [
    words.map((word) => JSON.stringify(word)).join(" or "),
    (value) => words.includes(value as string),
  ];
}

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

/** Milliseconds up to the limit of timers. */
export const timeMs = (minimum: number): Check => integer("milliseconds", minimum, 2 ** 31 - 1);

/** Bytes up to the limit of a message's length field. */
export const bytes = (minimum: number): Check => integer("bytes", minimum, 2 ** 32 - 1);

export function listOf(what: string, isItem: (item: unknown) => boolean): Check {
  return [`an array of ${what}`, (value) => Array.isArray(value) && value.every(isItem)];
}

/**
 * The candidate that is probably meant: it has most letters in common with `name`, in the same order, or
 * `name` is a part of it ("timeout" for "defaultTimeoutMs"), or contains all of it ("organizationId" for
 * "orgId"). The first of equally likely ones.
 */
export function similarName(name: string, candidates: readonly string[]): string | undefined {
  const a = name.toLowerCase();
  const likeness = (candidate: string) => {
    const b = candidate.toLowerCase();
    const shared = commonLetters(a, b);
    const isAll = shared === Math.min(a.length, b.length);
    const isPart = isAll && (shared > 4 || (shared > 2 && b.includes(a)));
    return Math.max((2 * shared) / (a.length + b.length), isPart ? 0.85 : 0);
  };
  const [best] = [...candidates].sort((one, other) => likeness(other) - likeness(one));
  return best !== undefined && likeness(best) > 0.65 ? best : undefined;
}

/** The length of the longest common subsequence. */
function commonLetters(a: string, b: string): number {
  let row: number[] = [];
  for (const letter of a) {
    const before = row;
    row = [];
    for (let j = 0; j < b.length; j++) {
      row[j] =
        letter === b[j] ? (before[j - 1] ?? 0) + 1 : Math.max(before[j] ?? 0, row[j - 1] ?? 0);
    }
  }
  return row.at(-1) ?? 0;
}

/**
 * Whether a host is loopback: RFC 5735 and RFC 4291 for the addresses, RFC 6761 section 6.3 for the names.
 * Names under `localhost` are only in browsers, which never ask DNS for them; other platforms do.
 */
export function isLoopback(hostname: string): boolean {
  return (
    (isBrowser() ? /^(?:.+\.)?localhost\.?$/ : /^localhost$/).test(hostname) ||
    /^(?:127(?:\.\d+){3}|\[::1\])$/.test(hostname)
  );
}

/** A test with a DOM for Node has a document as well. */
function isBrowser(): boolean {
  return typeof document !== "undefined" && globalThis.process?.versions?.node === undefined;
}
