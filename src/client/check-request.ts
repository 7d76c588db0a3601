import { Code, ConnectError } from "@connectrpc/connect";
import { kindOf } from "../options/checker.js";

const checkedNames = ["userId", "grantId"];

/**
 * Rejects values that plain JavaScript could pass and that would be sent as something else: a string instead
 * of a list of ids is a list of characters, and a number is not an id.
 *
 * @throws ConnectError InvalidArgument naming the field, what is allowed and what was given.
 */
export function checkRequest(method: string, message: object): void {
  for (const name of checkedNames) {
    const value = Object.hasOwn(message, name)
      ? (message as Record<string, unknown>)[name]
      : undefined;
    if (value === undefined) {
      continue;
    }
    if (method !== "bulkRemoveUserGrant") {
      checkId(name, value);
    } else if (name === "grantId") {
      if (!Array.isArray(value)) {
        reject(name, "an array of strings", value);
      }
      // Not forEach, which skips holes.
      for (let i = 0; i < value.length; i++) {
        checkId(`${name}[${i}]`, value[i]);
      }
    }
  }
}

function checkId(name: string, value: unknown): void {
  if (typeof value !== "string") {
    reject(name, "a string", value);
  }
}

function reject(name: string, allowed: string, value: unknown): never {
  throw new ConnectError(`${name} must be ${allowed}, got ${kindOf(value)}`, Code.InvalidArgument);
}
