import type { ConnectError } from "@connectrpc/connect";

/** Replaces the message of an error, also in its stack: it stays the same object, with all its properties. */
export function rewriteMessage<E extends ConnectError>(error: E, rawMessage: string): E {
  const { message, stack } = error;
  const prefix = message.slice(0, message.length - error.rawMessage.length);
  const rewritten = message.endsWith(error.rawMessage) ? prefix + rawMessage : rawMessage;
  // They exist and are writable, whatever their types declare, and keep their visibility.
  return Object.assign(error, {
    rawMessage,
    message: rewritten,
    stack: stack?.replace(message, () => rewritten),
  });
}
