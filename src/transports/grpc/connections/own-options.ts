import type { ClientSessionRequestOptions } from "node:http2";

/** What objects inherit by the standard. */
const standard =
  /^(?:__\w+__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|to(?:Locale)?String|valueOf)$/;

/** Node puts its own defaults before what it is given, where `undefined` would replace them. */
const hasDefault = new Set([
  "host",
  "port",
  "hostname",
  "path",
  "rejectUnauthorized",
  "ciphers",
  "checkServerIdentity",
  "minDHSize",
]);

/**
 * Options for a module of Node, which reads them with what they inherit: anything that was put on
 * `Object.prototype` by now is undefined in them. A missing prototype would not do, since Node copies them.
 *
 * @param also names to shadow of those that Node has defaults for in some functions.
 */
export function ownOptions<O extends object>(options: O, also: readonly string[] = []): O {
  const shadows: Record<string, unknown> = {};
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    if (!standard.test(name) && (!hasDefault.has(name) || also.includes(name))) {
      // Not by assignment, which a setter may take.
      Object.defineProperty(shadows, name, undefinedValue);
    }
  }
  return { ...shadows, ...options };
}

const undefinedValue = { __proto__: null, value: undefined, enumerable: true };

/**
 * Of a unary call's stream: everything that Node reads, which would look for the rest on `Object.prototype`.
 */
export const requestOptions = {
  endStream: false,
  waitForTrailers: undefined,
  signal: undefined,
  parent: undefined,
  exclusive: undefined,
  silent: undefined,
} as unknown as ClientSessionRequestOptions;
