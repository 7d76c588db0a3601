import type { ConnectError } from "@connectrpc/connect";

/** Gives an error another message, also in its stack: it stays the same object, with all that it has. */
export function rewriteMessage<E extends ConnectError>(error: E, rawMessage: string): E {
  const { message, stack } = error;
  const prefix = message.slice(0, message.length - error.rawMessage.length);
  const rewritten = message.endsWith(error.rawMessage) ? prefix + rawMessage : rawMessage;
  replaceFields(error, {
    rawMessage,
    message: rewritten,
    stack: stack?.replace(message, () => rewritten),
  });
  return error;
}

/** Sets fields that are read-only to everybody else; each stays as visible as it was. */
export function replaceFields(error: Error, fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    const enumerable = Object.prototype.propertyIsEnumerable.call(error, name);
    Object.defineProperty(error, name, { value, configurable: true, writable: true, enumerable });
  }
}
