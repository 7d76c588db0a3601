import type { GrantRecord } from "./grant-record.js";
import type { GrantQuery } from "./lookup.js";

/** A value of a selector. */
export interface Value {
  /** As it was given: `--email jane@example.com`. */
  readonly shown: string;
  /** A grant that meets one of them matches. */
  readonly keys: readonly string[];
  /** Together they find all grants that match, and possibly others. */
  readonly queries: readonly GrantQuery[];
}

/** A flag and its value, for messages; in quotes where the space around the value would not be seen. */
export function shownFlag(flag: string, value: string): string {
  return `--${flag} ${value === value.trim() ? value : JSON.stringify(value)}`;
}

/** The values of one flag: a grant must have one of them. */
export class Group {
  readonly values: readonly Value[];
  readonly #keysOf: (record: GrantRecord) => readonly string[];
  readonly #byKey = new Map<string, string[]>();

  constructor(keysOf: (record: GrantRecord) => readonly string[], values: readonly Value[]) {
    this.#keysOf = keysOf;
    this.values = values;
    for (const { shown, keys } of values) {
      for (const key of keys) {
        this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), shown]);
      }
    }
  }

  /** The values that a grant matches, as they were given. */
  matches(record: GrantRecord): string[] {
    return this.#keysOf(record).flatMap((key) => this.#byKey.get(key) ?? []);
  }
}

/** Names and addresses are compared case-insensitively; no id looks like one. */
export function nameKey(name: string | undefined): string {
  return `name ${name?.toLowerCase() ?? ""}`;
}
